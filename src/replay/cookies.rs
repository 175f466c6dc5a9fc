//! Cookies that a target sets on recorded connections, sent in place of the recorded ones (RFC 6265).
//!
//! A jar stands for a connection to one target, so domains are not looked at.

use cookie::Cookie;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::http::Head;

/// Connections whose cookies are kept at least; twice as many at most.
const MAX_KNOWN: usize = 1 << 16;

/// Cookies kept for one connection; browsers keep about as many for a domain.
const MAX_COOKIES: usize = 180;

const SECOND: i64 = 1_000_000_000;

#[derive(Clone, Debug, Eq, PartialEq)]
struct StoredCookie {
    name: String,
    value: String,
    path: String,
    /// Nanoseconds since the Unix epoch.
    expires: Option<i64>,
}

/// The cookies of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct CookieJar(Vec<StoredCookie>);

impl CookieJar {
    /// Keeps what a response sets. `now` is in nanoseconds since the Unix epoch.
    pub(super) fn take(&mut self, response: &[u8], request_path: &str, now: i64) {
        let Some(head) = Head::of(response) else { return };
        for value in head.values(b"set-cookie") {
            let Some(cookie) = std::str::from_utf8(value).ok().and_then(|text| Cookie::parse(text).ok())
            else {
                continue;
            };
            let path =
                cookie.path().filter(|path| path.starts_with('/')).unwrap_or(default_path(request_path));
            let max_age =
                cookie.max_age().map(|age| now.saturating_add(age.whole_seconds().saturating_mul(SECOND)));
            let date = cookie.expires_datetime();
            let expires = max_age.or(date.map(|date| date.unix_timestamp().saturating_mul(SECOND)));
            self.0.retain(|known| known.name != cookie.name() || known.path != path);
            if self.0.len() >= MAX_COOKIES {
                self.0.remove(0);
            }
            self.0.push(StoredCookie {
                name: cookie.name().to_owned(),
                value: cookie.value().to_owned(),
                path: path.to_owned(),
                expires,
            });
        }
    }

    /// The Cookie value to send with a request for this path that was recorded with these cookies; none to send none.
    pub(super) fn apply(&self, recorded: &[u8], path: &str, now: i64) -> Option<Vec<u8>> {
        let mut fitting: Vec<&StoredCookie> =
            self.0.iter().filter(|cookie| is_within(path, &cookie.path)).collect();
        // The one with the longest path first (RFC 6265 §5.4).
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        // One that has expired, or was deleted, is not sent, though it was recorded.
        let pair = |cookie: &StoredCookie| {
            let is_over = cookie.expires.is_some_and(|expires| expires <= now);
            (!is_over).then(|| format!("{}={}", cookie.name, cookie.value).into_bytes())
        };
        let mut pairs: Vec<Vec<u8>> = Vec::new();
        let mut sent: Vec<&str> = Vec::new();
        for known in
            recorded.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|known| !known.is_empty())
        {
            let name = known.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
            match fitting.iter().find(|cookie| cookie.name.as_bytes() == name) {
                None => pairs.push(known.to_vec()),
                Some(cookie) if sent.contains(&&cookie.name[..]) => {}
                Some(cookie) => {
                    sent.push(&cookie.name);
                    pairs.extend(pair(cookie));
                }
            }
        }
        for cookie in fitting {
            if !sent.contains(&&cookie.name[..]) {
                sent.push(&cookie.name);
                pairs.extend(pair(cookie));
            }
        }
        (!pairs.is_empty()).then(|| pairs.join(&b"; "[..]))
    }
}

/// RFC 6265 §5.1.4: the directory of the request's path.
fn default_path(path: &str) -> &str {
    match path.split('?').next().unwrap_or_default().rfind('/') {
        None | Some(0) => "/",
        Some(end) => &path[..end],
    }
}

/// RFC 6265 §5.1.4: whether a path is a cookie's, or lies within it.
fn is_within(path: &str, of_cookie: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    path.strip_prefix(of_cookie)
        .is_some_and(|rest| rest.is_empty() || of_cookie.ends_with('/') || rest.starts_with('/'))
}

/// The jars of the connections that were used last.
#[derive(Debug, Default)]
pub(super) struct Cookies {
    newer: HashMap<u64, CookieJar, FixedState>,
    older: HashMap<u64, CookieJar, FixedState>,
}

impl Cookies {
    /// A connection's cookies.
    pub(super) fn get(&self, session: u64) -> Option<&CookieJar> {
        self.newer.get(&session).or_else(|| self.older.get(&session))
    }

    /// A connection's cookies, to be added to.
    pub(super) fn get_mut(&mut self, session: u64) -> &mut CookieJar {
        let known = self.older.remove(&session);
        if self.newer.len() >= MAX_KNOWN && !self.newer.contains_key(&session) {
            self.older = std::mem::take(&mut self.newer);
        }
        let jar = self.newer.entry(session).or_default();
        if let Some(known) = known {
            *jar = known;
        }
        jar
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jar(set: &[&str], path: &str) -> CookieJar {
        let mut jar = CookieJar::default();
        let fields = set.join("\r\nSet-Cookie: ");
        let head = format!("HTTP/1.1 200 OK\r\nSet-Cookie: {fields}\r\n\r\n");
        jar.take(head.as_bytes(), path, 1000 * SECOND);
        jar
    }

    fn sent(jar: &CookieJar, recorded: &str, path: &str) -> Option<String> {
        jar.apply(recorded.as_bytes(), path, 1000 * SECOND).map(|value| String::from_utf8(value).unwrap())
    }

    #[test]
    fn cookies_that_were_set_take_the_place_of_recorded_ones() {
        let jar =
            jar(&["sid=new; Path=/; HttpOnly", "theme=dark", "gone=; Max-Age=0; Path=/"], "/shop/cart?x");
        for (recorded, path, expected) in [
            ("sid=old; other=1", "/", Some("sid=new; other=1")),
            ("", "/", Some("sid=new")),
            ("a=b", "/shop/x", Some("a=b; theme=dark; sid=new")),
            ("theme=light", "/shop", Some("theme=dark; sid=new")),
            ("theme=light", "/shopping", Some("theme=light; sid=new")),
            ("gone=1; sid=old; sid=older", "/", Some("sid=new")),
        ] {
            assert_eq!(sent(&jar, recorded, path).as_deref(), expected, "{recorded} {path}");
        }
        assert_eq!(sent(&CookieJar::default(), "a=b;c=d", "/").as_deref(), Some("a=b; c=d"));
        assert_eq!(sent(&CookieJar::default(), "", "/"), None);
    }

    #[test]
    fn cookies_expire_and_are_replaced_and_garbage_is_left() {
        let jar = jar(
            &[
                "a=1; Expires=Thu, 01 Jan 1970 00:00:10 GMT",
                "b=1; Expires=Wed, 01 Jan 2100 00:00:00 GMT",
                "c=1; Max-Age=10",
                "c=2; Max-Age=20",
                "=x",
                "\u{1}",
            ],
            "/",
        );
        assert_eq!(sent(&jar, "a=0; c=0", "/").as_deref(), Some("c=2; b=1"));
        let later = jar.apply(b"", "/", 1030 * SECOND).unwrap();
        assert_eq!(later, b"b=1");
    }

    #[test]
    fn jars_of_the_last_connections_are_kept() {
        let mut cookies = Cookies::default();
        for session in 0..3 * MAX_KNOWN as u64 {
            cookies.get_mut(session).0 = jar(&["a=1"], "/").0;
            assert!(cookies.get(session.saturating_sub(MAX_KNOWN as u64 - 1)).is_some());
        }
        assert!(cookies.get(0).is_none());
        assert!(cookies.newer.len() + cookies.older.len() <= 2 * MAX_KNOWN);
    }
}
