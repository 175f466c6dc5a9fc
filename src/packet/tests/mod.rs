//! Tests of the room: files, headers, networks, fragments.

mod files;
mod fragments;
mod headers;
mod links;
mod networks;
mod support;
