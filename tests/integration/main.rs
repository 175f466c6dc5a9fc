//! What holds for the whole: the rooms' walls, the generated pages, and the tools as their users meet them.

mod architecture;
mod filter;
mod pages;
mod replay;
mod support;
