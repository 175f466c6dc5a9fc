//! An object of S3 that is written as a whole, as a small file is.

use std::fmt;
use std::sync::Arc;

use super::reading::Services;
use super::s3::SCHEME;
use crate::Result;

/// An object that can be written as far as that is known without writing it.
#[derive(Clone, Debug)]
pub struct SingleObject {
    name: String,
    services: Arc<Services>,
    exists: Option<bool>,
}

impl SingleObject {
    /// Whether a name is that of an object.
    pub fn is_meant(name: &str) -> bool {
        name.starts_with(SCHEME)
    }

    /// Looks whether the bucket is there and the server knows the credentials, so that this is told before the work begins.
    pub fn find(name: &str, services: &Arc<Services>) -> Result<Self> {
        let exists = services.s3.look_for(name)?;
        Ok(SingleObject { name: name.to_owned(), services: Arc::clone(services), exists })
    }

    /// Whether it is there already. None: these credentials may not know.
    pub fn exists(&self) -> Option<bool> {
        self.exists
    }

    /// Its content, if it is there.
    pub fn get(&self) -> Result<Option<Vec<u8>>> {
        self.services.s3.get(&self.name)
    }

    /// Writes it. With `is_new` it is an error if there is another one by now.
    pub fn put(&self, content: &[u8], content_type: &str, is_new: bool) -> Result<()> {
        self.services.s3.put(&self.name, content, content_type, is_new, false)
    }

    /// Writes it, or over it, in one try: for who comes again soon.
    pub fn try_put(&self, content: &[u8], content_type: &str) -> Result<()> {
        self.services.s3.put(&self.name, content, content_type, false, true)
    }
}

impl fmt::Display for SingleObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
