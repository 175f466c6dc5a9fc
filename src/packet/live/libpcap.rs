//! libpcap, loaded when it is asked for: its calls, and what keeps them sound.
//!
//! Nothing is linked. Pointers that the library hands out stay in this file: a handle is closed when it
//! is dropped and keeps the library loaded, a packet is lent until the next one is asked for, and a compiled
//! filter is copied into a vector and freed. Return values and lengths are checked here, all else is safe code.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_uchar, c_uint};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, PoisonError};

use libc::sock_filter;

use super::ring;

/// Names of the library: Debian's, the one of other distributions, and that of development packages.
const NAMES: [&str; 3] = ["libpcap.so.0.8", "libpcap.so.1", "libpcap.so"];

/// `PCAP_ERRBUF_SIZE`.
const ERROR_SIZE: usize = 256;

/// `PCAP_TSTAMP_PRECISION_NANO`.
const NANOSECONDS: c_int = 1;

/// `PCAP_NETMASK_UNKNOWN`.
const NO_NETMASK: u32 = u32::MAX;

/// A `pcap_t`; only the library knows what is in it.
#[repr(C)]
struct PcapT {
    _private: [u8; 0],
}

/// `struct pcap_pkthdr`.
#[repr(C)]
struct PacketHeader {
    seconds: libc::time_t,
    /// Micro- or nanoseconds, as the handle's precision says.
    fraction: libc::suseconds_t,
    captured: u32,
    length: u32,
}

/// `struct bpf_program`. Its instructions are laid out as the kernel's `struct sock_filter`.
#[repr(C)]
struct BpfProgram {
    length: c_uint,
    instructions: *mut sock_filter,
}

/// `struct pcap_stat`.
#[repr(C)]
#[derive(Default)]
struct Statistics {
    received: c_uint,
    dropped: c_uint,
    dropped_by_interface: c_uint,
}

/// Declares the table of functions, and how it is filled from the library.
macro_rules! functions {
    ($($name:ident = $symbol:literal: fn($($argument:ty),*) $(-> $answer:ty)?;)*) => {
        struct Functions {
            $($name: unsafe extern "C" fn($($argument),*) $(-> $answer)?,)*
        }

        impl Functions {
            /// # Safety
            ///
            /// The library is libpcap, and the table is not used once it is unloaded.
            unsafe fn load(library: &libloading::Library) -> Result<Self, libloading::Error> {
                Ok(Functions {
                    // SAFETY: the declarations are those of <pcap/pcap.h>, which libpcap keeps compatible
                    // within the version that its file name ends in.
                    $($name: *unsafe {
                        library.get::<unsafe extern "C" fn($($argument),*) $(-> $answer)?>($symbol)?
                    },)*
                })
            }
        }
    };
}

functions! {
    create = c"pcap_create": fn(*const c_char, *mut c_char) -> *mut PcapT;
    open_dead = c"pcap_open_dead": fn(c_int, c_int) -> *mut PcapT;
    close = c"pcap_close": fn(*mut PcapT);
    set_snaplen = c"pcap_set_snaplen": fn(*mut PcapT, c_int) -> c_int;
    set_buffer_size = c"pcap_set_buffer_size": fn(*mut PcapT, c_int) -> c_int;
    set_timeout = c"pcap_set_timeout": fn(*mut PcapT, c_int) -> c_int;
    set_promisc = c"pcap_set_promisc": fn(*mut PcapT, c_int) -> c_int;
    can_set_rfmon = c"pcap_can_set_rfmon": fn(*mut PcapT) -> c_int;
    set_rfmon = c"pcap_set_rfmon": fn(*mut PcapT, c_int) -> c_int;
    list_tstamp_types = c"pcap_list_tstamp_types": fn(*mut PcapT, *mut *mut c_int) -> c_int;
    free_tstamp_types = c"pcap_free_tstamp_types": fn(*mut c_int);
    set_tstamp_type = c"pcap_set_tstamp_type": fn(*mut PcapT, c_int) -> c_int;
    set_tstamp_precision = c"pcap_set_tstamp_precision": fn(*mut PcapT, c_int) -> c_int;
    get_tstamp_precision = c"pcap_get_tstamp_precision": fn(*mut PcapT) -> c_int;
    activate = c"pcap_activate": fn(*mut PcapT) -> c_int;
    setnonblock = c"pcap_setnonblock": fn(*mut PcapT, c_int, *mut c_char) -> c_int;
    get_selectable_fd = c"pcap_get_selectable_fd": fn(*mut PcapT) -> c_int;
    datalink = c"pcap_datalink": fn(*mut PcapT) -> c_int;
    next_ex = c"pcap_next_ex": fn(*mut PcapT, *mut *mut PacketHeader, *mut *const c_uchar) -> c_int;
    stats = c"pcap_stats": fn(*mut PcapT, *mut Statistics) -> c_int;
    geterr = c"pcap_geterr": fn(*mut PcapT) -> *mut c_char;
    statustostr = c"pcap_statustostr": fn(c_int) -> *const c_char;
    compile = c"pcap_compile": fn(*mut PcapT, *mut BpfProgram, *const c_char, c_int, u32) -> c_int;
    freecode = c"pcap_freecode": fn(*mut BpfProgram);
    setfilter = c"pcap_setfilter": fn(*mut PcapT, *mut BpfProgram) -> c_int;
    offline_filter = c"pcap_offline_filter": fn(*const BpfProgram, *const PacketHeader, *const c_uchar) -> c_int;
}

/// The library, loaded until the last value that calls it is dropped.
pub(super) struct Library {
    functions: Functions,
    /// Older versions cannot compile in two threads at once.
    compiling: Mutex<()>,
    /// Unloads it, so it is the last field.
    _loaded: libloading::Library,
}

impl Library {
    /// Loads it under the first of its names that there is. An error says why there is none.
    pub(super) fn load() -> Result<Arc<Self>, String> {
        let mut reasons = Vec::new();
        for name in NAMES {
            // SAFETY: libpcap's initialisers need nothing of the program and start no thread.
            let library = match unsafe { libloading::Library::new(name) } {
                Ok(library) => library,
                Err(error) => {
                    reasons.push(error.to_string());
                    continue;
                }
            };
            // SAFETY: it is libpcap by its name, and stays loaded as long as the table.
            match unsafe { Functions::load(&library) } {
                Ok(functions) => {
                    return Ok(Arc::new(Library { functions, compiling: Mutex::new(()), _loaded: library }));
                }
                Err(error) => reasons.push(error.to_string()),
            }
        }
        // A file that is there but cannot be loaded says more than one that is not there.
        let is_there = |reason: &&String| !reason.contains("No such file");
        Err(reasons.iter().find(is_there).or(reasons.first()).cloned().unwrap_or_default())
    }

    /// Whether a packet passes a program for its link type. The program is one that [`Handle::compile`] gave.
    pub(super) fn matches(&self, program: &Compiled, wire_length: u32, bytes: &[u8]) -> bool {
        let header = PacketHeader {
            seconds: 0,
            fraction: 0,
            captured: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            length: wire_length,
        };
        let program = program.borrow();
        // SAFETY: the library only reads these. The program is whole and was made by its compiler, so it ends
        // and keeps to its scratch memory, and the interpreter checks each load against `captured`,
        // which is no more than there are bytes.
        unsafe { (self.functions.offline_filter)(&raw const program, &raw const header, bytes.as_ptr()) != 0 }
    }

    /// The library's words for a status that a call returned.
    fn status(&self, status: c_int) -> String {
        // SAFETY: it returns a string that ends in 0, a constant or in a static buffer that only one thread
        // uses, as handles are not sent between threads; it is copied at once.
        unsafe { text((self.functions.statustostr)(status)) }
    }
}

/// A program that the library's compiler made. Only it makes one, so it is valid.
pub(super) struct Compiled {
    code: Vec<sock_filter>,
}

impl Compiled {
    pub(super) fn code(&self) -> &[sock_filter] {
        &self.code
    }

    /// For calls that only read it.
    fn borrow(&self) -> BpfProgram {
        BpfProgram { length: self.code.len() as c_uint, instructions: self.code.as_ptr().cast_mut() }
    }
}

/// What is wrong with a handle, in the library's words.
#[derive(Debug)]
pub(super) enum HandleFault {
    /// The process may not capture.
    Permission,
    /// All else.
    Other(String),
}

/// What a handle is to be before it captures.
pub(super) struct HandleSettings {
    pub(super) snapshot: u32,
    pub(super) buffer_size: u64,
    pub(super) timeout_ms: u32,
    pub(super) is_promiscuous: bool,
}

/// A packet as the library lends it.
pub(super) struct Captured<'a> {
    /// Nanoseconds since the Unix epoch.
    pub(super) time: i64,
    pub(super) wire_length: u32,
    pub(super) bytes: &'a [u8],
}

/// An open `pcap_t`. Not sent between threads, as the pointer in it is not.
pub(super) struct Handle {
    library: Arc<Library>,
    raw: NonNull<PcapT>,
}

impl Handle {
    /// A handle for a live capture, which is still to be activated.
    pub(super) fn create(library: &Arc<Library>, interface: &str) -> Result<Self, HandleFault> {
        let name = CString::new(interface).map_err(|error| HandleFault::Other(error.to_string()))?;
        let mut error = [0; ERROR_SIZE];
        // SAFETY: the name ends in 0, the buffer has the size that the library writes at most.
        let raw = unsafe { (library.functions.create)(name.as_ptr(), error.as_mut_ptr()) };
        match NonNull::new(raw) {
            Some(raw) => Ok(Handle { library: Arc::clone(library), raw }),
            None => Err(HandleFault::Other(buffer_text(&error))),
        }
    }

    /// A handle that only compiles, for a link type.
    pub(super) fn dead(library: &Arc<Library>, link: c_int, snapshot: u32) -> Result<Self, HandleFault> {
        // SAFETY: no memory is passed.
        let raw = unsafe { (library.functions.open_dead)(link, snapshot as c_int) };
        match NonNull::new(raw) {
            Some(raw) => Ok(Handle { library: Arc::clone(library), raw }),
            None => Err(HandleFault::Other("out of memory".into())),
        }
    }

    /// Calls a function of which the handle is the only argument, or of which the rest are numbers.
    ///
    /// # Safety
    ///
    /// The function keeps no pointer besides the handle.
    unsafe fn call<T>(&self, call: impl FnOnce(&Functions, *mut PcapT) -> T) -> T {
        call(&self.library.functions, self.raw.as_ptr())
    }

    /// What to see, before it is activated.
    pub(super) fn set(&mut self, settings: &HandleSettings) -> Result<(), HandleFault> {
        let size = c_int::try_from(settings.buffer_size).unwrap_or(c_int::MAX);
        let (snapshot, timeout) = (settings.snapshot as c_int, settings.timeout_ms as c_int);
        let is_promiscuous = c_int::from(settings.is_promiscuous);
        // SAFETY: the handle is open, and the other arguments are numbers.
        let done = unsafe {
            self.call(|all, raw| {
                [
                    (all.set_snaplen)(raw, snapshot),
                    (all.set_buffer_size)(raw, size),
                    (all.set_timeout)(raw, timeout),
                    (all.set_promisc)(raw, is_promiscuous),
                ]
            })
        };
        done.into_iter().try_for_each(|status| self.check(status).map(drop))
    }

    /// Asks for times in nanoseconds; a version or interface that has none keeps microseconds.
    pub(super) fn ask_for_nanoseconds(&mut self) {
        // SAFETY: the handle is open. A refusal leaves all as it is, and `next` asks what holds.
        unsafe { self.call(|all, raw| (all.set_tstamp_precision)(raw, NANOSECONDS)) };
    }

    /// Turns on monitor mode. False: the interface has none.
    pub(super) fn monitor(&mut self) -> Result<bool, HandleFault> {
        // SAFETY: the handle is open.
        let can = unsafe { self.call(|all, raw| (all.can_set_rfmon)(raw)) };
        if self.check(can)? == 0 {
            return Ok(false);
        }
        // SAFETY: the handle is open.
        let done = unsafe { self.call(|all, raw| (all.set_rfmon)(raw, 1)) };
        self.check(done).map(|_| true)
    }

    /// Numbers of the sources of time that the interface has. None: only the system's clock.
    pub(super) fn timestamp_types(&mut self) -> Result<Vec<c_int>, HandleFault> {
        let mut list = ptr::null_mut();
        // SAFETY: the handle is open, and the list is written to a local variable.
        let length = unsafe { self.call(|all, raw| (all.list_tstamp_types)(raw, &raw mut list)) };
        let length = self.check(length)? as usize;
        if length == 0 || list.is_null() {
            return Ok(Vec::new());
        }
        // SAFETY: the library says that the list has this many numbers.
        let types = unsafe { std::slice::from_raw_parts(list, length) }.to_vec();
        // SAFETY: it is what the library allocated, and is not used any more.
        unsafe { self.call(|all, _| (all.free_tstamp_types)(list)) };
        Ok(types)
    }

    pub(super) fn set_timestamp_type(&mut self, kind: c_int) -> Result<(), HandleFault> {
        // SAFETY: the handle is open, and the other argument is a number.
        let done = unsafe { self.call(|all, raw| (all.set_tstamp_type)(raw, kind)) };
        self.check(done).map(drop)
    }

    /// Begins to capture, without blocking. A warning is the library's text.
    pub(super) fn activate(&mut self) -> Result<Option<String>, HandleFault> {
        // SAFETY: the handle is open.
        let status = unsafe { self.call(|all, raw| (all.activate)(raw)) };
        let warning = (self.check(status)? > 0).then(|| self.explain(status));
        let mut error = [0; ERROR_SIZE];
        // SAFETY: the handle is open, the buffer has the size that the library writes at most.
        let done = unsafe { self.call(|all, raw| (all.setnonblock)(raw, 1, error.as_mut_ptr())) };
        if done < 0 {
            return Err(HandleFault::Other(buffer_text(&error)));
        }
        if self.descriptor() < 0 {
            return Err(HandleFault::Other(
                "libpcap cannot wait for packets of this kind of interface".into(),
            ));
        }
        Ok(warning)
    }

    /// The number that the library has for the link type.
    pub(super) fn link(&self) -> c_int {
        // SAFETY: the handle is open.
        unsafe { self.call(|all, raw| (all.datalink)(raw)) }
    }

    /// The next packet. None: there is none yet.
    pub(super) fn next(&mut self) -> Result<Option<Captured<'_>>, HandleFault> {
        let mut header = ptr::null_mut();
        let mut bytes = ptr::null();
        // SAFETY: the handle is open, and both pointers are written to local variables.
        let status = unsafe { self.call(|all, raw| (all.next_ex)(raw, &raw mut header, &raw mut bytes)) };
        if self.check(status)? == 0 {
            return Ok(None);
        }
        // SAFETY: after 1 it points to the header of the packet, valid until the next call with this handle.
        let Some(header) = (unsafe { header.as_ref() }) else { return Ok(None) };
        if bytes.is_null() {
            return Ok(None);
        }
        // SAFETY: the library says that so many bytes are there, and they are valid as long as the header. The
        // handle is borrowed mutably for as long as they are lent, so nothing is called in between.
        let bytes = unsafe { std::slice::from_raw_parts(bytes, header.captured as usize) };
        // SAFETY: the handle is open; this only reads a field of it.
        let precision = unsafe { self.call(|all, raw| (all.get_tstamp_precision)(raw)) };
        let scale = if precision == NANOSECONDS { 1 } else { 1000 };
        // These fields have 32 bits on some machines.
        #[allow(clippy::useless_conversion)]
        let (seconds, fraction) = (i64::from(header.seconds), i64::from(header.fraction));
        Ok(Some(Captured {
            time: seconds.saturating_mul(1_000_000_000).saturating_add(fraction.saturating_mul(scale)),
            wire_length: header.length.max(header.captured),
            bytes,
        }))
    }

    /// Packets that there was no room for, in the buffer and in the interface, since it was activated. The
    /// library counts in 32 bits, and begins again at 0.
    pub(super) fn dropped(&mut self) -> Result<[u32; 2], HandleFault> {
        let mut statistics = Statistics::default();
        // SAFETY: the handle is open. On Linux the library writes these three fields and no more.
        let done = unsafe { self.call(|all, raw| (all.stats)(raw, &raw mut statistics)) };
        self.check(done)?;
        Ok([statistics.dropped, statistics.dropped_by_interface])
    }

    /// Compiles an expression for the handle's link type. A handle that is active knows
    /// that the kernel takes VLAN tags off.
    pub(super) fn compile(&self, expression: &str) -> Result<Compiled, HandleFault> {
        let text = CString::new(expression).map_err(|error| HandleFault::Other(error.to_string()))?;
        let mut program = BpfProgram { length: 0, instructions: ptr::null_mut() };
        let library = &self.library;
        let _compiling = library.compiling.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the handle is open, the expression ends in 0, the program is written to a local variable.
        let done = unsafe {
            self.call(|all, raw| (all.compile)(raw, &raw mut program, text.as_ptr(), 1, NO_NETMASK))
        };
        self.check(done)?;
        let code = if program.instructions.is_null() {
            Vec::new()
        } else {
            // SAFETY: the library says that the program has so many instructions.
            unsafe { std::slice::from_raw_parts(program.instructions, program.length as usize) }.to_vec()
        };
        // SAFETY: it is what the compiler allocated, and is not used any more.
        unsafe { (library.functions.freecode)(&raw mut program) };
        Ok(Compiled { code })
    }

    /// Has the library refuse what does not pass a program that was compiled with this handle.
    pub(super) fn set_filter(&mut self, program: &Compiled) -> Result<(), HandleFault> {
        let mut program = program.borrow();
        // SAFETY: the handle is open. The library copies the program, and writes only to its copy.
        let done = unsafe { self.call(|all, raw| (all.setfilter)(raw, &raw mut program)) };
        self.check(done).map(drop)
    }

    /// Has the kernel refuse what does not pass a program of ours, on the library's socket. The
    /// library is not told: it does not look at the packets that come through.
    pub(super) fn attach(&self, program: &[sock_filter]) -> io::Result<()> {
        ring::attach(self, program)
    }

    fn descriptor(&self) -> c_int {
        // SAFETY: the handle is open.
        unsafe { self.call(|all, raw| (all.get_selectable_fd)(raw)) }
    }

    fn check(&self, status: c_int) -> Result<c_int, HandleFault> {
        // `PCAP_ERROR_PERM_DENIED` and `PCAP_ERROR_PROMISC_PERM_DENIED`.
        match status {
            -8 | -11 => Err(HandleFault::Permission),
            ..0 => Err(HandleFault::Other(self.explain(status))),
            _ => Ok(status),
        }
    }

    /// What a status means, and what the library has to say about it.
    fn explain(&self, status: c_int) -> String {
        // SAFETY: the handle is open; it returns a string in it that ends in 0, copied at once.
        let detail = unsafe { text(self.call(|all, raw| (all.geterr)(raw))) };
        // `PCAP_ERROR` and `PCAP_WARNING` mean nothing but the text.
        if [-1, 1].contains(&status) {
            return detail;
        }
        let meaning = self.library.status(status);
        if detail.is_empty() || detail == meaning { meaning } else { format!("{meaning}: {detail}") }
    }
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let descriptor = self.descriptor();
        assert!(descriptor >= 0, "the handle is active");
        // SAFETY: `activate` has checked that there is one, and it is open until the handle is closed, which
        // cannot be as long as it is borrowed.
        unsafe { BorrowedFd::borrow_raw(descriptor) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and nothing uses it after this. The library is still loaded.
        unsafe { self.call(|all, raw| (all.close)(raw)) }
    }
}

/// # Safety
///
/// It is null or a string that ends in 0.
unsafe fn text(string: *const c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: says the caller.
    unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned()
}

/// The library ends its messages in 0, within the buffer.
fn buffer_text(buffer: &[c_char; ERROR_SIZE]) -> String {
    let bytes: Vec<u8> = buffer.iter().map(|byte| *byte as u8).take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
