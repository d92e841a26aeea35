//! The fleet's time, the host's name and its system-wide rc of csh for the processes of a host (`LD_PRELOAD`; compiled on its own
//! by `build.rs`).
//!
//! Maps `$HOST_ROOT/../../../clock` (its format is in `mod.rs`) and answers every question about the time of day or the times of
//! a file through it. Works on raw system calls, so that it needs no `dlsym` and is ready before any constructor has
//! run. Without `HOST_ROOT` or the file every answer is the kernel's.

#![no_std]
#![allow(clippy::missing_safety_doc)]

use core::ffi::{c_char, c_int, c_long, c_void};
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

unsafe extern "C" {
    fn __errno_location() -> *mut c_int;
    fn getenv(name: *const c_char) -> *const c_char;
}

#[cfg(target_arch = "x86_64")]
mod sys {
    use core::arch::asm;
    use core::ffi::c_long;
    pub const OPENAT: c_long = 257;
    pub const READ: c_long = 0;
    pub const UNAME: c_long = 63;
    pub const CLOSE: c_long = 3;
    pub const MMAP: c_long = 9;
    pub const CLOCK_GETTIME: c_long = 228;
    pub const NEWFSTATAT: c_long = 262;
    pub const FSTAT: c_long = 5;
    pub const STATX: c_long = 332;
    pub const UTIMENSAT: c_long = 280;
    /// Carries out a system call.
    pub unsafe fn call(number: c_long, a: [c_long; 6]) -> c_long {
        let result: c_long;
        unsafe {
            asm!("syscall", inlateout("rax") number => result, in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
                in("r10") a[3], in("r8") a[4], in("r9") a[5], lateout("rcx") _, lateout("r11") _, options(nostack));
        }
        result
    }
}

#[cfg(target_arch = "aarch64")]
mod sys {
    use core::arch::asm;
    use core::ffi::c_long;
    pub const OPENAT: c_long = 56;
    pub const READ: c_long = 63;
    pub const UNAME: c_long = 160;
    pub const CLOSE: c_long = 57;
    pub const MMAP: c_long = 222;
    pub const CLOCK_GETTIME: c_long = 113;
    pub const NEWFSTATAT: c_long = 79;
    pub const FSTAT: c_long = 80;
    pub const STATX: c_long = 291;
    pub const UTIMENSAT: c_long = 88;
    /// Carries out a system call.
    pub unsafe fn call(number: c_long, a: [c_long; 6]) -> c_long {
        let result: c_long;
        unsafe {
            asm!("svc 0", in("x8") number, inlateout("x0") a[0] => result, in("x1") a[1], in("x2") a[2],
                in("x3") a[3], in("x4") a[4], in("x5") a[5], options(nostack));
        }
        result
    }
}

const AT_FDCWD: c_int = -100;
const AT_SYMLINK_NOFOLLOW: c_int = 0x100;
const AT_EMPTY_PATH: c_int = 0x1000;
const UTIME_NOW: c_long = 0x3fff_ffff;
const UTIME_OMIT: c_long = 0x3fff_fffe;
const EFAULT: c_int = 14;
const EINVAL: c_int = 22;
const CLOCK_REALTIME: c_int = 0;
const CLOCK_REALTIME_COARSE: c_int = 5;
const CLOCK_TAI: c_int = 11;
const NS: i64 = 1_000_000_000;
const SIZE: usize = 1 << 20;
const HEADER: usize = 64;
const ENTRY: usize = 24;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Timespec {
    sec: i64,
    ns: c_long,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Timeval {
    sec: i64,
    us: i64,
}

/// Marks the history as looked for and not there.
const ABSENT: *mut u8 = 1 as *mut u8;
static HISTORY: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());

/// Turns the kernel's answer into the C library's.
unsafe fn done(result: c_long) -> c_int {
    if result < 0 {
        unsafe { *__errno_location() = -result as c_int };
        return -1;
    }
    result as c_int
}

/// The mapped history, if this process belongs to a fleet.
unsafe fn history() -> Option<*const u8> {
    let known = HISTORY.load(Ordering::Acquire);
    if known == ABSENT {
        return None;
    }
    if !known.is_null() {
        return Some(known);
    }
    let mapped = unsafe { map_history() };
    HISTORY.store(mapped, Ordering::Release);
    if mapped == ABSENT { None } else { Some(mapped) }
}

unsafe fn map_history() -> *mut u8 {
    unsafe {
        let file = open_beside_root(b"/../../../clock");
        if file < 0 {
            return ABSENT;
        }
        // PROT_READ, MAP_SHARED
        let mapped = sys::call(sys::MMAP, [0, SIZE as c_long, 1, 1, file, 0]);
        sys::call(sys::CLOSE, [file, 0, 0, 0, 0, 0]);
        if mapped < 0 { ABSENT } else { mapped as *mut u8 }
    }
}

/// The fleet time at a real time, both in nanoseconds.
unsafe fn fleet(real: i64) -> i64 {
    unsafe {
        let Some(base) = history() else { return real };
        let count = (*(base.add(8) as *const AtomicU64)).load(Ordering::Acquire) as usize;
        let count = if count > (SIZE - HEADER) / ENTRY { 0 } else { count };
        let field =
            |index: usize, at: usize| core::ptr::read_unaligned(base.add(HEADER + index * ENTRY + at) as *const i64);
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = (low + high) / 2;
            if field(middle, 0) <= real { low = middle + 1 } else { high = middle }
        }
        if low == 0 {
            return real;
        }
        let (start, offset, flags) = (field(low - 1, 0), field(low - 1, 8), field(low - 1, 16));
        (if flags & 1 == 1 { start } else { real }).wrapping_add(offset)
    }
}

unsafe fn real_now() -> Timespec {
    let mut now = Timespec { sec: 0, ns: 0 };
    unsafe { sys::call(sys::CLOCK_GETTIME, [0, &raw mut now as c_long, 0, 0, 0, 0]) };
    now
}

unsafe fn shift(time: Timespec) -> Timespec {
    let ns = unsafe { fleet(time.sec.wrapping_mul(NS).wrapping_add(time.ns as i64)) };
    Timespec { sec: ns.div_euclid(NS), ns: ns.rem_euclid(NS) as c_long }
}

/// Opens `$HOST_ROOT` plus `rest` for reading; negative if it cannot be.
unsafe fn open_beside_root(rest: &[u8]) -> c_long {
    // O_RDONLY | O_CLOEXEC
    unsafe { open_below_root(rest.as_ptr(), rest.len(), 0o2000000).unwrap_or(-1) }
}

/// Opens `$HOST_ROOT` plus `length` bytes of `rest`: the kernel's answer. None if there is no `HOST_ROOT` or no room for the path.
unsafe fn open_below_root(rest: *const u8, length: usize, flags: c_int) -> Option<c_long> {
    unsafe {
        let root = getenv(c"HOST_ROOT".as_ptr());
        if root.is_null() || *root == 0 {
            return None;
        }
        let mut path = [0u8; 4096];
        let mut end = 0;
        while *root.add(end) != 0 {
            if end >= 3900 {
                return None;
            }
            *path.as_mut_ptr().add(end) = *root.add(end) as u8;
            end += 1;
        }
        if length > 100 {
            return None;
        }
        for index in 0..length {
            *path.as_mut_ptr().add(end + index) = *rest.add(index);
        }
        Some(sys::call(sys::OPENAT, [AT_FDCWD as c_long, path.as_ptr() as c_long, flags as c_long, 0, 0, 0]))
    }
}

/// How the names of the files begin that every csh of a machine reads before the account's own.
const SYSTEM_RC: &[u8] = b"/etc/csh.";

/// Opens a file as the kernel does, but a system-wide rc of csh from the host's own `/etc`: what the machine below has there
/// is no server's, and Debian's starts two programs in every csh.
unsafe fn open_at(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    unsafe {
        let mut length = 0;
        while !path.is_null() && length < SYSTEM_RC.len() && *path.add(length) as u8 == *SYSTEM_RC.as_ptr().add(length) {
            length += 1;
        }
        if length == SYSTEM_RC.len() {
            while *path.add(length) != 0 {
                length += 1;
            }
            if let Some(result) = open_below_root(path as *const u8, length, flags) {
                return done(result);
            }
        }
        done(sys::call(sys::OPENAT, [AT_FDCWD as c_long, path as c_long, flags as c_long, mode as c_long, 0, 0]))
    }
}

/// What tcsh opens files by. C declares the mode as optional; both processors hand it over like any third argument.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    unsafe { open_at(path, flags, mode) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn __open64_2(path: *const c_char, flags: c_int) -> c_int {
    unsafe { open_at(path, flags, 0) }
}

/// Length of a field of `struct utsname`.
const FIELD: usize = 65;

/// What `uname` says of the machine besides its name: number of the field and text. The servers ran RHEL 6 in 2014.
const MACHINE: [(usize, &[u8]); 4] = [
    (0, b"Linux"),
    (2, b"2.6.32-431.29.2.el6.x86_64"),
    (3, b"#1 SMP Sun Jul 27 15:55:46 EDT 2014"),
    (4, b"x86_64"),
];

/// Writes `text`, cut to a field, and a zero.
unsafe fn fill(into: *mut u8, text: &[u8]) {
    unsafe {
        let length = text.len().min(FIELD - 1);
        for (index, byte) in text.iter().take(length).enumerate() {
            *into.add(index) = *byte;
        }
        *into.add(length) = 0;
    }
}

/// Puts the host's name where the kernel's was, if this process belongs to a host; says whether it does.
unsafe fn node_name(into: *mut u8) -> bool {
    unsafe {
        let file = open_beside_root(b"/../run/nodename");
        if file < 0 {
            return false;
        }
        let mut name = [0u8; FIELD - 1];
        let read = sys::call(sys::READ, [file, name.as_mut_ptr() as c_long, name.len() as c_long, 0, 0, 0]);
        sys::call(sys::CLOSE, [file, 0, 0, 0, 0, 0]);
        if read > 0 {
            // An index that could be out of bounds would want the standard library's way to panic.
            fill(into, core::slice::from_raw_parts(name.as_ptr(), (read as usize).min(name.len())));
        }
        read > 0
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn uname(into: *mut u8) -> c_int {
    unsafe {
        let result = sys::call(sys::UNAME, [into as c_long, 0, 0, 0, 0, 0]);
        if result == 0 && node_name(into.add(FIELD)) {
            for (index, text) in MACHINE {
                fill(into.add(index * FIELD), text);
            }
        }
        done(result)
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn gethostname(into: *mut u8, room: usize) -> c_int {
    unsafe {
        let mut fields = [0u8; 6 * FIELD];
        let result = uname(fields.as_mut_ptr());
        if result == 0 {
            for index in 0..room.min(FIELD) {
                *into.add(index) = fields[FIELD + index];
            }
        }
        result
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: c_int, into: *mut Timespec) -> c_int {
    unsafe {
        let result = sys::call(sys::CLOCK_GETTIME, [clock as c_long, into as c_long, 0, 0, 0, 0]);
        if result == 0 && matches!(clock, CLOCK_REALTIME | CLOCK_REALTIME_COARSE | CLOCK_TAI) {
            *into = shift(*into);
        }
        done(result)
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn time(into: *mut i64) -> i64 {
    unsafe {
        let now = shift(real_now()).sec;
        if !into.is_null() {
            *into = now;
        }
        now
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn gettimeofday(into: *mut Timeval, zone: *mut c_void) -> c_int {
    unsafe {
        if !into.is_null() {
            let now = shift(real_now());
            *into = Timeval { sec: now.sec, us: now.ns as i64 / 1000 };
        }
        if !zone.is_null() {
            *(zone as *mut [c_int; 2]) = [0, 0];
        }
        0
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn timespec_get(into: *mut Timespec, base: c_int) -> c_int {
    unsafe {
        if base != 1 {
            return 0;
        }
        *into = shift(real_now());
        1
    }
}

/// Where the kernel's `struct stat` has access, modification and change time.
#[cfg(target_arch = "x86_64")]
const STAT_TIMES: usize = 72;
#[cfg(target_arch = "aarch64")]
const STAT_TIMES: usize = 72;

unsafe fn shift_stat(result: c_long, into: *mut c_void) -> c_int {
    unsafe {
        if result == 0 {
            let times = (into as *mut u8).add(STAT_TIMES) as *mut Timespec;
            for index in 0..3 {
                *times.add(index) = shift(*times.add(index));
            }
        }
        done(result)
    }
}

unsafe fn stat_at(dir: c_int, path: *const c_char, into: *mut c_void, flags: c_int) -> c_int {
    unsafe {
        shift_stat(
            sys::call(sys::NEWFSTATAT, [dir as c_long, path as c_long, into as c_long, flags as c_long, 0, 0]),
            into,
        )
    }
}

unsafe fn stat_open(file: c_int, into: *mut c_void) -> c_int {
    unsafe { shift_stat(sys::call(sys::FSTAT, [file as c_long, into as c_long, 0, 0, 0, 0]), into) }
}

macro_rules! stats {
    ($($by_path:ident $by_link:ident $by_file:ident $at:ident $x_path:ident $x_link:ident $x_file:ident $x_at:ident;)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $by_path(path: *const c_char, into: *mut c_void) -> c_int {
            unsafe { stat_at(AT_FDCWD, path, into, 0) }
        }
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $by_link(path: *const c_char, into: *mut c_void) -> c_int {
            unsafe { stat_at(AT_FDCWD, path, into, AT_SYMLINK_NOFOLLOW) }
        }
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $by_file(file: c_int, into: *mut c_void) -> c_int {
            unsafe { stat_open(file, into) }
        }
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $at(dir: c_int, path: *const c_char, into: *mut c_void, flags: c_int) -> c_int {
            unsafe { stat_at(dir, path, into, flags) }
        }
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $x_path(_: c_int, path: *const c_char, into: *mut c_void) -> c_int {
            unsafe { stat_at(AT_FDCWD, path, into, 0) }
        }
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $x_link(_: c_int, path: *const c_char, into: *mut c_void) -> c_int {
            unsafe { stat_at(AT_FDCWD, path, into, AT_SYMLINK_NOFOLLOW) }
        }
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $x_file(_: c_int, file: c_int, into: *mut c_void) -> c_int {
            unsafe { stat_open(file, into) }
        }
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $x_at(_: c_int, dir: c_int, path: *const c_char, into: *mut c_void, flags: c_int) -> c_int {
            unsafe { stat_at(dir, path, into, flags) }
        }
    )*};
}

stats! {
    stat lstat fstat fstatat __xstat __lxstat __fxstat __fxstatat;
    stat64 lstat64 fstat64 fstatat64 __xstat64 __lxstat64 __fxstat64 __fxstatat64;
}

#[repr(C)]
#[derive(Clone, Copy)]
struct StatxTime {
    sec: i64,
    ns: u32,
    reserve: i32,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn statx(dir: c_int, path: *const c_char, flags: c_int, mask: u32, into: *mut c_void) -> c_int {
    unsafe {
        let result =
            sys::call(sys::STATX, [dir as c_long, path as c_long, flags as c_long, mask as c_long, into as c_long, 0]);
        if result == 0 {
            // Access, birth, change and modification time lie one after the other from byte 64 on.
            let times = (into as *mut u8).add(64) as *mut StatxTime;
            for index in 0..4 {
                let time = *times.add(index);
                if time.sec != 0 || time.ns != 0 {
                    let seen = shift(Timespec { sec: time.sec, ns: time.ns as c_long });
                    *times.add(index) = StatxTime { sec: seen.sec, ns: seen.ns as u32, reserve: 0 };
                }
            }
        }
        done(result)
    }
}

/// A time to store: a fleet time as it is, kept below the moment at which the fleet was made, because a later one
/// would be read as a real time.
unsafe fn stored(time: Timespec) -> Timespec {
    unsafe {
        if time.ns == UTIME_NOW || time.ns == UTIME_OMIT {
            return time;
        }
        let Some(base) = history() else { return time };
        let first = core::ptr::read_unaligned(base.add(HEADER) as *const i64);
        if time.sec.wrapping_mul(NS).wrapping_add(time.ns as i64) < first {
            return time;
        }
        Timespec { sec: (first - 1).div_euclid(NS), ns: (first - 1).rem_euclid(NS) as c_long }
    }
}

unsafe fn set_times(dir: c_int, path: *const c_char, times: Option<[Timespec; 2]>, flags: c_int) -> c_int {
    unsafe {
        let kept = times.map(|[access, change]| [stored(access), stored(change)]);
        let pointer = kept.as_ref().map_or(core::ptr::null(), |pair| pair.as_ptr());
        done(sys::call(sys::UTIMENSAT, [dir as c_long, path as c_long, pointer as c_long, flags as c_long, 0, 0]))
    }
}

unsafe fn microseconds(times: *const Timeval) -> Result<Option<[Timespec; 2]>, ()> {
    unsafe {
        if times.is_null() {
            return Ok(None);
        }
        let mut pair = [Timespec { sec: 0, ns: 0 }; 2];
        for (index, slot) in pair.iter_mut().enumerate() {
            let time = *times.add(index);
            if !(0..1_000_000).contains(&time.us) {
                *__errno_location() = EINVAL;
                return Err(());
            }
            *slot = Timespec { sec: time.sec, ns: (time.us * 1000) as c_long };
        }
        Ok(Some(pair))
    }
}

unsafe fn nanoseconds(times: *const Timespec) -> Option<[Timespec; 2]> {
    unsafe { if times.is_null() { None } else { Some([*times, *times.add(1)]) } }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn utimensat(dir: c_int, path: *const c_char, times: *const Timespec, flags: c_int) -> c_int {
    unsafe {
        if path.is_null() {
            *__errno_location() = EINVAL;
            return -1;
        }
        set_times(dir, path, nanoseconds(times), flags)
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn futimens(file: c_int, times: *const Timespec) -> c_int {
    unsafe { set_times(file, core::ptr::null(), nanoseconds(times), 0) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn utimes(path: *const c_char, times: *const Timeval) -> c_int {
    unsafe { by_path(AT_FDCWD, path, times, 0) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn lutimes(path: *const c_char, times: *const Timeval) -> c_int {
    unsafe { by_path(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn futimesat(dir: c_int, path: *const c_char, times: *const Timeval) -> c_int {
    unsafe { by_path(dir, path, times, if path.is_null() { AT_EMPTY_PATH } else { 0 }) }
}

unsafe fn by_path(dir: c_int, path: *const c_char, times: *const Timeval, flags: c_int) -> c_int {
    unsafe {
        if path.is_null() && flags & AT_EMPTY_PATH == 0 {
            *__errno_location() = EFAULT;
            return -1;
        }
        match microseconds(times) {
            Ok(pair) => set_times(dir, path, pair, flags & AT_SYMLINK_NOFOLLOW),
            Err(()) => -1,
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn futimes(file: c_int, times: *const Timeval) -> c_int {
    unsafe {
        match microseconds(times) {
            Ok(pair) => set_times(file, core::ptr::null(), pair, 0),
            Err(()) => -1,
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn utime(path: *const c_char, times: *const [i64; 2]) -> c_int {
    unsafe {
        let pair = if times.is_null() {
            None
        } else {
            let [access, change] = *times;
            Some([Timespec { sec: access, ns: 0 }, Timespec { sec: change, ns: 0 }])
        };
        set_times(AT_FDCWD, path, pair, 0)
    }
}
