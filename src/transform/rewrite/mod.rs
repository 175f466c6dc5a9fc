//! Rules that change records, one after the other, and the stage that applies them.
//!
//! A rule edits the head of requests: the target, or field lines; or bodies. A
//! redaction edits heads, bodies and ids of requests and responses. What no
//! rule changes goes on as the bytes that came.

mod body;
mod changes;
mod condition;
mod draft;
mod redacting;
mod rule;
mod stage;
mod substitution;
mod template;
mod url;

pub use body::BodyPattern;
pub use changes::{ChangeLine, RecordChange};
pub use condition::Condition;
pub use redacting::{MAX_BODY, Unread};
pub use rule::{FieldPattern, FieldSetting, Parameter, RewriteRule, host, name};
pub use stage::{RewriteTally, Rewriting};
pub use url::UrlPattern;

#[cfg(test)]
mod tests;
