//! What holds for the whole: the rooms' walls, the generated pages, and the tools as programs.

mod architecture;
mod habits;
mod pages;
