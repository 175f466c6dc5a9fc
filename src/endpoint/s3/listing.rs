//! Which objects there are below a prefix.

use std::sync::Arc;

use super::client::S3Connection;
use super::trouble::{Trouble, lasting, retried};
use super::{Found, Object};

/// The objects whose keys begin with `prefix`, in the order of the bytes of their keys.
pub(super) async fn list(
    connection: &S3Connection,
    bucket: &Arc<str>,
    prefix: &str,
) -> Result<Vec<Object>, Trouble> {
    let mut objects = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let request = connection
            .client
            .list_objects_v2()
            .bucket(&**bucket)
            .prefix(prefix)
            .set_continuation_token(next.clone());
        let page = retried(|| {
            let request = request.clone();
            async {
                let _turn = connection.requests.acquire().await;
                connection.asked(request.send()).await?.map_err(|error| connection.server.trouble(&error))
            }
        })
        .await?;
        for entry in page.contents() {
            let (Some(key), Some(size), Some(etag)) = (entry.key(), entry.size(), entry.e_tag()) else {
                return Err(lasting("the server lists an object without its key, size or ETag"));
            };
            let size = u64::try_from(size).unwrap_or_default();
            let found = Found { size, etag: etag.to_owned(), has_index: None };
            objects.push(Object { bucket: Arc::clone(bucket), key: key.to_owned(), found: found.into() });
        }
        match page.next_continuation_token() {
            Some(token) if page.is_truncated() == Some(true) => {
                if next.as_deref() == Some(token) {
                    return Err(lasting("the server gives the same page of its list again and again"));
                }
                next = Some(token.to_owned());
            }
            None if page.is_truncated() == Some(true) => {
                return Err(lasting("the server's list of objects breaks off"));
            }
            _ => break,
        }
    }
    // Not every server lists them so.
    objects.sort_by(|one, other| one.key.cmp(&other.key));
    objects.dedup();
    Ok(objects)
}
