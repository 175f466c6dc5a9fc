//! The tools as their users meet them: commands, their input, their output.

mod replay;
mod support;
