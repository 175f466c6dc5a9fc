//! Objects that are written as a whole, in one request, and may be written again: reports.

use std::sync::Arc;

use super::location::{Keys, Location};
use super::store::{Store, told};
use super::trouble::{Patience, Trouble, retried, retried_with};
use super::upload::Uploads;
use crate::{Error, Result};

impl Store {
    /// Whether there is an object of this name; unknown where these credentials may only write. That it could be written
    /// is found out as far as that goes without writing: the bucket is there, and the server knows the credentials.
    pub(in super::super) fn look_for(&self, name: &str) -> Result<Option<bool>> {
        let (bucket, key) = single(name)?;
        let failed = |trouble: Trouble| told(trouble).at(name);
        let connection = self.connection().map_err(|error| error.at(name))?;
        let uploads = Uploads::new(&connection);
        let looking = async {
            match retried(|| uploads.probe(&bucket)).await {
                Err(trouble) if !trouble.is_denied => return Err(trouble),
                _ => {}
            }
            match retried(|| uploads.get(&bucket, &key, Some("bytes=0-0"))).await {
                // An object without a byte has no first one.
                Ok(_) | Err(Trouble { status: Some(416), .. }) => Ok(Some(true)),
                Err(Trouble { status: Some(404), .. }) => Ok(Some(false)),
                Err(trouble) if trouble.is_denied => Ok(None),
                Err(trouble) => Err(trouble),
            }
        };
        self.wait(&connection, looking).map_err(failed)
    }

    /// An object as a whole; none where there is none.
    pub(in super::super) fn get(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let (bucket, key) = single(name)?;
        let connection = self.connection().map_err(|error| error.at(name))?;
        let uploads = Uploads::new(&connection);
        match self.wait(&connection, retried(|| uploads.get(&bucket, &key, None))) {
            Ok(content) => Ok(Some(content)),
            Err(Trouble { status: Some(404), .. }) => Ok(None),
            Err(trouble) => Err(told(trouble).at(name)),
        }
    }

    /// Writes an object. With `is_new` never in the place of another one. With `is_hasty` a failure is not tried again.
    pub(in super::super) fn put(
        &self,
        name: &str,
        content: &[u8],
        content_type: &str,
        is_new: bool,
        is_hasty: bool,
    ) -> Result<()> {
        let (bucket, key) = single(name)?;
        let connection = self.connection().map_err(|error| error.at(name))?;
        let uploads = Uploads::new(&connection);
        let content: Arc<[u8]> = content.into();
        let writing = async {
            let put = || uploads.put(&bucket, &key, Arc::clone(&content), content_type, is_new);
            let patience = if is_hasty { Patience::once() } else { Patience::default() };
            match retried_with(patience, put).await {
                Err(trouble) if trouble.status == Some(412) => {
                    // It may be that of an earlier try whose answer was lost.
                    match retried(|| uploads.get(&bucket, &key, None)).await {
                        Ok(there) if there == *content => Ok(()),
                        _ => Err(trouble),
                    }
                }
                other => other,
            }
        };
        self.wait(&connection, writing).map_err(|trouble| told(trouble).at(name))
    }
}

/// The bucket and the key of a name that means one object.
fn single(name: &str) -> Result<(String, String)> {
    if let Location { bucket, keys: Keys::One(key) } = Location::parse(name)? {
        return Ok((bucket, key));
    }
    let why = "name one object, as s3://BUCKET/KEY; * ? [ in its key are patterns";
    Err(Error::Usage(format!("{name}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_one_object_or_is_refused() {
        assert_eq!(single("s3://b/a/run 1.json").unwrap(), ("b".to_owned(), "a/run 1.json".to_owned()));
        for name in ["s3://b", "s3://b/", "s3://b/a/", "s3://b/*.json", "s3:///x.json"] {
            assert!(single(name).unwrap_err().is_usage(), "{name}");
        }
    }
}
