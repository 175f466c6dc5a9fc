//! Tests of the room: files, headers, fragments.

mod files;
mod fragments;
mod headers;
mod support;
