//! Cookies that a target sets on recorded connections, sent in place of the recorded ones (RFC 6265).
//!
//! A jar stands for a connection to one target, so domains are not looked at.

use cookie::Cookie;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::http::Head;

/// Connections whose cookies are kept at least; twice as many at most.
const MAX_KNOWN: usize = 1 << 16;

/// Memory for the cookies of these: the same.
const MAX_KNOWN_BYTES: usize = 16 << 20;

/// Cookies kept for one connection; browsers keep about as many for a domain.
const MAX_COOKIES: usize = 180;

/// Memory for them: servers accept no such request heads.
const MAX_JAR_BYTES: usize = 64 << 10;

/// Bytes of a cookie's name and value (RFC 6265bis §5.6): a longer one is not kept, nor one with a longer path, which
/// can be that of the request only.
pub(super) const MAX_COOKIE: usize = 4096;

/// Bytes of a path (RFC 6265bis §5.6): a longer attribute is ignored.
const MAX_PATH: usize = 1024;

const SECOND: i64 = 1_000_000_000;

#[derive(Clone, Debug, Eq, PartialEq)]
struct StoredCookie {
    name: String,
    value: String,
    path: String,
    /// Nanoseconds since the Unix epoch.
    expires: Option<i64>,
}

impl StoredCookie {
    /// Memory for it.
    fn cost(&self) -> usize {
        // An allocation takes a few bytes more than was asked for.
        size_of::<StoredCookie>() + self.name.len() + self.value.len() + self.path.len() + 64
    }
}

/// The cookies of one connection, the one that was set longest ago first.
#[derive(Clone, Debug, Default)]
pub(super) struct CookieJar {
    cookies: Vec<StoredCookie>,
    /// Memory for them.
    bytes: usize,
}

/// Cookies that are not kept.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct UnkeptCookies {
    /// They are longer than [`MAX_COOKIE`].
    pub(super) too_long: u64,
    /// There was no more room for them.
    pub(super) dropped: u64,
}

impl CookieJar {
    /// Keeps what a response sets, and says what is not kept. `now` is in nanoseconds since the Unix epoch.
    fn take(&mut self, response: &[u8], request_path: &str, now: i64) -> UnkeptCookies {
        let mut unkept = UnkeptCookies::default();
        let Some(head) = Head::of(response) else { return unkept };
        for value in head.values(b"set-cookie") {
            let Some(cookie) = std::str::from_utf8(value).ok().and_then(|text| Cookie::parse(text).ok())
            else {
                continue;
            };
            let path = cookie
                .path()
                .filter(|path| path.starts_with('/') && path.len() <= MAX_PATH)
                .unwrap_or(default_path(request_path));
            if cookie.name().len() + cookie.value().len() > MAX_COOKIE || path.len() > MAX_COOKIE {
                unkept.too_long += 1;
                continue;
            }
            let max_age =
                cookie.max_age().map(|age| now.saturating_add(age.whole_seconds().saturating_mul(SECOND)));
            let date = cookie.expires_datetime();
            let expires = max_age.or(date.map(|date| date.unix_timestamp().saturating_mul(SECOND)));
            let cookie = StoredCookie {
                name: cookie.name().to_owned(),
                value: cookie.value().to_owned(),
                path: path.to_owned(),
                expires,
            };
            self.cookies.retain(|known| known.name != cookie.name || known.path != cookie.path);
            self.cookies.push(cookie);
            self.bytes = self.cookies.iter().map(StoredCookie::cost).sum();
            while self.cookies.len() > MAX_COOKIES || self.bytes > MAX_JAR_BYTES {
                self.bytes -= self.cookies.remove(0).cost();
                unkept.dropped += 1;
            }
        }
        unkept
    }

    /// The Cookie value to send with a request for this path that was recorded with these cookies; none to send none.
    pub(super) fn apply(&self, recorded: &[u8], path: &str, now: i64) -> Option<Vec<u8>> {
        let mut fitting: Vec<&StoredCookie> =
            self.cookies.iter().filter(|cookie| is_within(path, &cookie.path)).collect();
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
    /// Memory for the cookies of these.
    newer_bytes: usize,
    older: HashMap<u64, CookieJar, FixedState>,
}

impl Cookies {
    /// A connection's cookies.
    pub(super) fn get(&self, session: u64) -> Option<&CookieJar> {
        self.newer.get(&session).or_else(|| self.older.get(&session))
    }

    /// Counts a connection among those that were used last. How many cookies of others are not kept therefore is told.
    pub(super) fn touch(&mut self, session: u64) -> u64 {
        match self.older.remove(&session) {
            Some(jar) => self.put(session, jar),
            None => 0,
        }
    }

    /// Keeps what a response on a connection sets, and says what is not kept.
    pub(super) fn take(
        &mut self,
        session: u64,
        response: &[u8],
        request_path: &str,
        now: i64,
    ) -> UnkeptCookies {
        let newer = self.newer.remove(&session);
        if let Some(jar) = &newer {
            self.newer_bytes -= jar.bytes;
        }
        let mut jar = newer.or_else(|| self.older.remove(&session)).unwrap_or_default();
        let mut unkept = jar.take(response, request_path, now);
        if !jar.cookies.is_empty() {
            unkept.dropped += self.put(session, jar);
        }
        unkept
    }

    /// Adds a connection, of which nothing is there, and says how many cookies of others are not kept therefore.
    fn put(&mut self, session: u64, jar: CookieJar) -> u64 {
        let mut dropped = 0;
        if self.newer.len() >= MAX_KNOWN || self.newer_bytes + jar.bytes > MAX_KNOWN_BYTES {
            dropped = self.older.values().map(|jar| jar.cookies.len() as u64).sum();
            self.older = std::mem::take(&mut self.newer);
            self.newer_bytes = 0;
        }
        self.newer_bytes += jar.bytes;
        self.newer.insert(session, jar);
        dropped
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
    fn a_cookie_that_is_too_long_is_not_kept_and_the_one_before_it_stays() {
        let mut jar = jar(&["a=1"], "/");
        let set = |name: &str, length: usize| {
            format!("HTTP/1.1 200 OK\r\nSet-Cookie: {name}={}\r\n\r\n", "x".repeat(length))
        };
        let unkept = jar.take(set("a", MAX_COOKIE).as_bytes(), "/", 0);
        assert_eq!(unkept, UnkeptCookies { too_long: 1, dropped: 0 });
        assert_eq!(sent(&jar, "", "/").as_deref(), Some("a=1"));
        assert_eq!(jar.take(set("a", MAX_COOKIE - 1).as_bytes(), "/", 0), UnkeptCookies::default());
        assert_eq!(sent(&jar, "", "/").map(|sent| sent.len()), Some(MAX_COOKIE + 1));
        let path = "/x".repeat(MAX_PATH / 2);
        let field = format!("HTTP/1.1 200 OK\r\nSet-Cookie: b=1; Path={path}/y\r\n\r\n");
        jar.take(field.as_bytes(), "/z/", 0);
        assert_eq!(sent(&jar, "", &format!("{path}/y")).map(|sent| sent.len()), Some(MAX_COOKIE + 1));
        assert!(sent(&jar, "", "/z").is_some_and(|sent| sent.starts_with("b=1; ")));
        let unkept = jar.take(set("c", 1).as_bytes(), &format!("/{}/", "x".repeat(MAX_COOKIE)), 0);
        assert_eq!((unkept, jar.cookies.len()), (UnkeptCookies { too_long: 1, dropped: 0 }, 2));
    }

    #[test]
    fn a_jar_is_bounded_in_number_and_bytes() {
        let mut jar = CookieJar::default();
        let mut dropped = 0;
        for (number, length) in (0..400).map(|number| (number, if number < 200 { 1 } else { 3000 })) {
            let head = format!("HTTP/1.1 200 OK\r\nSet-Cookie: a{number}={}\r\n\r\n", "x".repeat(length));
            dropped += jar.take(head.as_bytes(), "/", 0).dropped;
            assert!(jar.cookies.len() <= MAX_COOKIES && jar.bytes <= MAX_JAR_BYTES);
            assert_eq!(dropped + jar.cookies.len() as u64, number + 1);
            assert!(sent(&jar, "", "/").is_some_and(|sent| sent.contains(&format!("a{number}="))));
        }
        // One that is set again takes the place of the one before.
        let bytes = jar.bytes;
        let head = format!("HTTP/1.1 200 OK\r\nSet-Cookie: a390={}\r\n\r\n", "y".repeat(3000));
        assert_eq!((jar.take(head.as_bytes(), "/", 0).dropped, jar.bytes), (0, bytes));
    }

    #[test]
    fn jars_of_the_last_connections_are_kept() {
        let mut cookies = Cookies::default();
        let set = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\n\r\n";
        let mut dropped = 0;
        let all = 3 * MAX_KNOWN as u64;
        for session in 0..all {
            dropped += cookies.take(session, set, "/", 0).dropped;
            // One that is used goes on.
            dropped += cookies.touch(1);
            assert!(cookies.get(session.saturating_sub(MAX_KNOWN as u64 - 2)).is_some());
        }
        assert!(cookies.get(0).is_none() && cookies.get(1).is_some());
        let kept = cookies.newer.len() + cookies.older.len();
        assert!(kept <= 2 * MAX_KNOWN);
        assert_eq!(dropped + kept as u64, all);
    }

    #[test]
    fn jars_are_bounded_in_bytes() {
        let mut cookies = Cookies::default();
        let field = format!("={}\r\nSet-Cookie: ", "x".repeat(4000));
        let set =
            format!("HTTP/1.1 200 OK\r\nSet-Cookie: {}a=1\r\n\r\n", ["b", "c", "d"].join(&field) + &field);
        let mut dropped = 0;
        for session in 0..10_000 {
            dropped += cookies.take(session, set.as_bytes(), "/", 0).dropped;
            assert!(cookies.newer_bytes <= MAX_KNOWN_BYTES);
            assert!(cookies.get(session).is_some());
        }
        let bytes = |jars: &HashMap<u64, CookieJar, FixedState>| {
            jars.values().map(|jar| jar.cookies.iter().map(StoredCookie::cost).sum::<usize>()).sum::<usize>()
        };
        assert_eq!(bytes(&cookies.newer), cookies.newer_bytes);
        assert!(bytes(&cookies.older) <= MAX_KNOWN_BYTES);
        let kept = cookies.newer.values().chain(cookies.older.values());
        assert_eq!(dropped + kept.map(|jar| jar.cookies.len() as u64).sum::<u64>(), 4 * 10_000);
    }
}
