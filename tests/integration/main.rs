//! What holds for the whole: the rooms' walls, the generated pages, and the tools as their users meet them.

mod architecture;
mod file_size;
mod files_again;
mod files_in;
mod files_out;
mod filter;
mod habits;
mod live;
mod live_frames;
mod live_kinds;
mod live_libpcap;
mod live_scope;
mod merge;
mod packets_out;
mod pages;
mod pairing;
mod record;
mod record_cases;
mod record_damage;
mod record_laws;
mod replay;
mod replay_connections;
mod replay_output;
mod rewrite;
mod support;
