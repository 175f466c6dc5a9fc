//! Responses by class of status.

use serde::{Deserialize, Serialize};

/// How many responses of each class there were.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, derive_more::AddAssign)]
pub struct Classes {
    /// Informational, as 101.
    #[serde(rename = "1xx")]
    pub informational: u64,
    /// Successful.
    #[serde(rename = "2xx")]
    pub successful: u64,
    /// Redirections.
    #[serde(rename = "3xx")]
    pub redirection: u64,
    /// Errors of the client.
    #[serde(rename = "4xx")]
    pub client_error: u64,
    /// Errors of the server.
    #[serde(rename = "5xx")]
    pub server_error: u64,
    /// Any other number.
    pub other: u64,
}

impl Classes {
    /// Counts responses of this status.
    pub fn count(&mut self, status: u16, number: u64) {
        *match status / 100 {
            1 => &mut self.informational,
            2 => &mut self.successful,
            3 => &mut self.redirection,
            4 => &mut self.client_error,
            5 => &mut self.server_error,
            _ => &mut self.other,
        } += number;
    }

    /// The classes by name.
    pub fn named(&self) -> [(&'static str, u64); 6] {
        [
            ("1xx", self.informational),
            ("2xx", self.successful),
            ("3xx", self.redirection),
            ("4xx", self.client_error),
            ("5xx", self.server_error),
            ("other", self.other),
        ]
    }
}
