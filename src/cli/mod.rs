//! What the binaries share: exit codes, value parsers, option groups.

pub mod moment;

mod command_line;
mod descriptors;
mod kafka;
mod network;
mod options;
mod profiles;
mod progress;
mod report;
mod run;
pub mod signals;
mod tool;
pub mod values;
mod websocket;

pub use command_line::parse;
pub(crate) use command_line::{join_value, matches, parse_from};
pub use descriptors::raise_descriptor_limit;
pub use kafka::{KafkaInput, KafkaOptions};
pub use network::{ListenArgs, SendArgs, TlsArgs};
pub(crate) use options::NOT_DRY;
pub use options::{InputOptions, OutputOptions, Reporting, ServiceOptions};
pub use profiles::{ProfileOptions, Profiles, show_counters};
pub(crate) use progress::show as show_line;
pub use progress::{Drawn, Every, progress};
pub use report::{Report, with_intake};
pub use run::{Exit, note, report, run, run_serving_later};
pub use tool::Tool;
pub use websocket::WebSocketArgs;
