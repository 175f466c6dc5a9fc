//! Profiles of a tool: how it spends time and memory, in files or over HTTP, for `go tool pprof`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Exit, note};
use crate::observe::{self, CpuProfile, HeapProfile, HeapSample, Page, PageRequest};

/// Seconds of a profile over HTTP unless the client says how many, and the most it may ask for.
const SECONDS: u64 = 30;
const MAX_SECONDS: u64 = 600;

/// Media type of a profile.
const PROFILE: &str = "application/octet-stream";

const INDEX: &str = "\
/debug/pprof/profile?seconds=30   CPU profile of the next 30 seconds, for go tool pprof
/debug/pprof/heap                 memory in use and allocated so far, for go tool pprof
/debug/vars                       counters, memory, options (JSON)
";

/// How a tool is profiled.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Profiles")]
#[allow(clippy::doc_markdown, reason = "these are help texts")]
pub struct ProfileOptions {
    /// Write a CPU profile of the run to FILE, for go tool pprof
    #[arg(
        long,
        value_name = "FILE",
        value_parser = super::values::report,
        value_hint = clap::ValueHint::FilePath,
        hide_short_help = true
    )]
    pub cpu_profile: Option<PathBuf>,
    /// Write a profile of memory allocations to FILE, for go tool pprof
    ///
    /// One sample is taken per 512 KiB allocated. The profile has what was allocated and, with
    /// -sample_index=inuse_space, what was in use at the end.
    #[arg(
        long,
        value_name = "FILE",
        value_parser = super::values::report,
        value_hint = clap::ValueHint::FilePath,
        hide_short_help = true
    )]
    pub mem_profile: Option<PathBuf>,
    /// Serve profiles and counters over HTTP at ADDRESS, under /debug/
    ///
    /// /debug/pprof/ lists them. Everyone who can connect to ADDRESS can read them; :6060 is 127.0.0.1:6060.
    #[arg(long, value_name = "ADDRESS", value_parser = local_address, hide_short_help = true)]
    pub pprof: Option<SocketAddr>,
}

/// An address to listen at; of a port alone, that of this machine which others cannot connect to.
fn local_address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text).parse::<u16>();
    match (text.parse(), port) {
        (Ok(address), _) => Ok(address),
        (_, Ok(port)) => Ok(SocketAddr::from(([127, 0, 0, 1], port))),
        _ => Err("expected an address to listen at, as 127.0.0.1:6060, [::1]:6060 or :6060".into()),
    }
}

/// Where a profile goes. What is in the file stays until then.
#[derive(Debug)]
struct ProfileFile {
    path: PathBuf,
    file: File,
    /// Whether there was none before.
    is_new: bool,
}

impl ProfileFile {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true);
        let (file, is_new) = match options.clone().create_new(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (options.open(path), false),
            opened => (opened, true),
        };
        let file = file.map_err(|error| crate::Error::from(error).at(path.display().to_string()))?;
        Ok(ProfileFile { path: path.to_owned(), file, is_new })
    }

    fn write(mut self, profile: &[u8]) -> crate::Result<()> {
        let mut write = || {
            if self.file.metadata()?.is_file() {
                self.file.set_len(0)?;
            }
            self.file.write_all(profile)
        };
        write().map_err(|error| crate::Error::from(error).at(self.path.display().to_string()))
    }

    /// Nothing is to be written.
    fn abandon(self) {
        if self.is_new {
            // An empty file that stays does no harm.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// What is being profiled.
#[derive(Debug, Default)]
pub struct Profiles {
    cpu: Option<(CpuProfile, ProfileFile)>,
    heap: Option<ProfileFile>,
    /// Where `--pprof` listens, and what it tells, until it is served.
    listener: Mutex<Option<(TcpListener, Vars)>>,
    is_quiet: bool,
    /// Where a CPU profile in the making keeps what it cannot have in memory.
    folder: Option<TempDir>,
}

impl Profiles {
    /// Opens what is asked for, and begins. No thread is started. `is_quiet`: where profiles are served is not said.
    pub fn start(options: &ProfileOptions, is_quiet: bool) -> anyhow::Result<Self> {
        let ProfileOptions { cpu_profile, mem_profile, pprof } = options;
        let mut profiles = Profiles { is_quiet, ..Profiles::default() };
        if let Some(address) = pprof {
            let listener = TcpListener::bind(address).with_context(|| format!("--pprof {address}"))?;
            profiles.listener = Mutex::new(Some((listener, Vars::open())));
        }
        profiles.heap = mem_profile.as_deref().map(ProfileFile::open).transpose()?;
        let cpu = cpu_profile.as_deref().map(ProfileFile::open).transpose()?;
        if cpu.is_some() || pprof.is_some() {
            let folder = tempfile::Builder::new().prefix("gor-profile-").tempdir();
            let folder = folder.context("a directory for profiles")?;
            observe::prepare_profiles(folder.path());
            profiles.folder = Some(folder);
        }
        if let Some(file) = cpu {
            profiles.cpu = Some((CpuProfile::start().context("--cpu-profile")?, file));
        }
        if profiles.heap.is_some() || pprof.is_some() {
            observe::sample_heap();
        }
        Ok(profiles)
    }

    /// A directory in which files are still to be made.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_ref().map(TempDir::path)
    }

    /// Gives that directory, and what is in it, to another user.
    pub fn give_to(&self, (user, group): (u32, u32)) -> io::Result<()> {
        let Some(folder) = self.folder() else { return Ok(()) };
        for entry in std::fs::read_dir(folder)? {
            chown(entry?.path(), Some(user), Some(group))?;
        }
        chown(folder, Some(user), Some(group))
    }

    /// Begins to answer at the address of `--pprof`.
    pub fn serve(&self) -> anyhow::Result<()> {
        let Some((listener, vars)) = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take()
        else {
            return Ok(());
        };
        let at = listener.local_addr()?;
        observe::serve_pages(listener, move |request| page(request, &vars))?;
        if !self.is_quiet {
            note(format_args!("profiles are at http://{at}/debug/pprof/"));
        }
        Ok(())
    }

    /// Writes the files, unless the command line was wrong: then one of them may be an input.
    pub fn finish(self, done: &anyhow::Result<Exit>) -> anyhow::Result<()> {
        let is_wrong = done.as_ref().is_err_and(|error| super::run::exit_for(error) == Exit::Usage);
        // In this order, neither shows what the other one takes to be written.
        let heap = self.heap.map(|file| (HeapProfile::take(), file));
        let cpu = self.cpu.map(|(profile, file)| (profile.finish(), file));
        let heap = heap.map(|(profile, file)| (profile.encode(HeapSample::Allocated), file));
        let mut failure = None;
        for (profile, file) in cpu.into_iter().chain(heap) {
            if is_wrong {
                file.abandon();
                continue;
            }
            let path = file.path.display().to_string();
            let written = profile.map_err(|error| crate::Error::from(error).at(path));
            if let Err(error) = written.and_then(|profile| file.write(&profile)) {
                failure = failure.or(Some(error));
            }
        }
        failure.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// What `--pprof` answers.
fn page(request: PageRequest<'_>, vars: &Vars) -> Page {
    let is_profile = matches!(request.path, "/debug/pprof/profile" | "/debug/pprof/heap");
    if is_profile && request.is_head {
        return Page::refusal("405 Method Not Allowed", "only GET");
    }
    let profile = match request.path {
        "/debug/pprof" | "/debug/pprof/" => return Page::new("text/plain; charset=utf-8", INDEX),
        "/debug/vars" => {
            return Page::new("application/json; charset=utf-8", format!("{:#}\n", vars.to_json()));
        }
        "/debug/pprof/heap" => HeapProfile::take().encode(HeapSample::InUse),
        "/debug/pprof/profile" => match request.parameter("seconds").map_or(Ok(SECONDS), str::parse) {
            Ok(seconds) if (1..=MAX_SECONDS).contains(&seconds) => CpuProfile::start().and_then(|profile| {
                thread::sleep(Duration::from_secs(seconds));
                profile.finish()
            }),
            _ => {
                let why = format!("seconds is a number from 1 to {MAX_SECONDS}");
                return Page::refusal("400 Bad Request", why);
            }
        },
        _ => return Page::refusal("404 Not Found", "profiles are at /debug/pprof/, counters at /debug/vars"),
    };
    match profile {
        Ok(profile) => Page::new(PROFILE, profile),
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            Page::refusal("409 Conflict", "another CPU profile is being made")
        }
        Err(error) => Page::refusal("500 Internal Server Error", error),
    }
}

/// What makes the counters of a tool.
type CountersFn = Box<dyn Fn() -> Value + Send>;

static COUNTERS: Mutex<Option<CountersFn>> = Mutex::new(None);

/// Has `/debug/vars` show these counters from now on.
pub fn show_counters(counters: impl Fn() -> Value + Send + 'static) {
    *COUNTERS.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(counters));
}

/// What `/debug/vars` tells.
#[derive(Debug)]
struct Vars {
    start: Instant,
    /// Opened early: later it may not be allowed.
    memory: Option<File>,
    arguments: Vec<String>,
}

impl Vars {
    fn open() -> Self {
        let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
        Vars {
            start: Instant::now(),
            memory: File::open("/proc/self/statm").ok(),
            arguments: without_values(arguments),
        }
    }

    /// Pages of memory: all that is mapped, and what is resident.
    fn pages(&self) -> Option<[u64; 2]> {
        let mut text = [0; 256];
        let length = self.memory.as_ref()?.read_at(&mut text, 0).ok()?;
        let mut words = std::str::from_utf8(&text[..length]).ok()?.split_whitespace();
        Some([words.next()?.parse().ok()?, words.next()?.parse().ok()?])
    }

    fn to_json(&self) -> Value {
        let counters = COUNTERS.lock().unwrap_or_else(PoisonError::into_inner);
        let page = rustix::param::page_size() as u64;
        let memory = self.pages().map(
            |[mapped, resident]| json!({"mapped_bytes": mapped * page, "resident_bytes": resident * page}),
        );
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "arguments": self.arguments,
            "uptime_seconds": self.start.elapsed().as_secs_f64(),
            "memory": memory,
            "counters": counters.as_ref().map(|counters| counters()),
        })
    }
}

/// The program and the names of its options. Values are left out but for plain quantities: they may be passwords.
fn without_values(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let quantity = |text: &str| {
        text.len() <= 8 && text.starts_with(|c: char| c.is_ascii_digit()) && {
            let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
            ["", "ns", "us", "ms", "s", "m", "h", "%", "x", "/s", "/m", "kb", "mb", "gb"]
                .contains(&unit.to_ascii_lowercase().as_str())
        }
    };
    let shown = |value: &str| if quantity(value) { value.to_owned() } else { "...".to_owned() };
    let mut are_options = true;
    let mut named = Vec::new();
    for (at, argument) in arguments.enumerate() {
        are_options &= argument != "--";
        let long = argument.strip_prefix("--").filter(|name| are_options && !name.is_empty());
        named.push(match (long.and_then(|name| name.split_once('=')), long) {
            _ if at == 0 => argument.rsplit('/').next().unwrap_or_default().to_owned(),
            (Some((name, value)), _) => format!("--{name}={}", shown(value)),
            (None, Some(_)) => argument,
            (None, None) if argument == "--" => argument,
            // A short option may have its value behind it.
            (None, None) if are_options && argument.starts_with('-') && argument.len() > 1 => {
                let letter: String = argument.chars().take(2).collect();
                if argument.chars().nth(2).is_some() { format!("{letter}...") } else { letter }
            }
            (None, None) => shown(&argument),
        });
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_shown_without_what_may_be_secret() {
        let line = "/usr/bin/gor-replay --speed 2x -i shop.gor --sni=host -ishop --timeout=5s http://u:pw@host:80/ \
                    --rate 100/s -- --token=x 123456789 1a";
        let shown = without_values(line.split(' ').map(str::to_owned));
        let expected =
            "gor-replay --speed 2x -i ... --sni=... -i... --timeout=5s ... --rate 100/s -- ... ... ...";
        assert_eq!(shown.join(" "), expected.split_whitespace().collect::<Vec<_>>().join(" "));
    }

    #[test]
    fn a_port_alone_is_of_this_machine_only() {
        for (text, address) in [(":6060", "127.0.0.1:6060"), ("0", "127.0.0.1:0"), ("0.0.0.0:1", "0.0.0.0:1")]
        {
            assert_eq!(local_address(text), Ok(address.parse().unwrap()));
        }
        assert!(local_address("host:80").is_err());
    }
}
