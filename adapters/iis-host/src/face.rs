//! Objects as modules see them: a vtable, and behind it whose they are.

use std::ffi::c_void;
use std::fmt;
use std::ptr::from_ref;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use crate::violation::{Rule, Violation, Violations};

/// An object of a class. The class comes first: one word, the vtable.
#[repr(C)]
pub(crate) struct Face<O> {
    head: Head,
    owner: *const O,
}

/// What a trap knows of an object.
#[repr(C)]
struct Head {
    vtable: AtomicPtr<c_void>,
    interface: &'static str,
    ended: AtomicBool,
    violations: Violations,
}

// SAFETY: a face is read from any thread; its vtable and its end are atomic, and its owner is shared, so `Sync`.
unsafe impl<O: Sync> Send for Face<O> {}
// SAFETY: as above.
unsafe impl<O: Sync> Sync for Face<O> {}

impl<O> Face<O> {
    /// An object with this vtable. The owner holds it, or lives longer.
    pub(crate) fn new<V>(
        interface: &'static str,
        vtable: *const V,
        violations: &Violations,
        owner: *const O,
    ) -> Self {
        let vtable = AtomicPtr::new(vtable.cast_mut().cast());
        let head = Head { vtable, interface, ended: AtomicBool::new(false), violations: violations.clone() };
        Self { head, owner }
    }

    /// As a module gets it.
    pub(crate) fn object<C>(&self) -> *mut C {
        from_ref(self).cast_mut().cast()
    }

    /// From here on every call is trapped.
    pub(crate) fn end(&self) {
        self.head.ended.store(true, Ordering::Release);
        self.head.vtable.store(TRAPS.as_ptr().cast_mut().cast(), Ordering::Release);
    }
}

/// Whose object it is.
///
/// # Safety
///
/// `this` is a face of an `O` that is alive for `'a`.
pub(crate) unsafe fn owner<'a, O, C>(this: *const C) -> &'a O {
    // SAFETY: it is such a face, says the caller.
    unsafe { &*(*this.cast::<Face<O>>()).owner }
}

impl<O> fmt::Debug for Face<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.head.interface)
    }
}

/// A vtable of which this version of IIS has only the first slots. The others are trapped.
pub(crate) struct Vtable(Box<[usize]>);

impl Vtable {
    pub(crate) fn new<V>(full: &'static V, slots: usize) -> Self {
        let all = size_of::<V>() / size_of::<usize>();
        assert!(slots <= all && all <= TRAPS.len());
        // SAFETY: a vtable is a row of function pointers, which are as large as an address.
        let own = unsafe { std::slice::from_raw_parts(from_ref(full).cast::<usize>(), slots) };
        let traps = TRAPS[slots..].iter().map(|trap| *trap as usize);
        Self(own.iter().copied().chain(traps).collect())
    }

    pub(crate) fn as_ptr(&self) -> *const usize {
        self.0.as_ptr()
    }
}

impl fmt::Debug for Vtable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vtable(..)")
    }
}

/// What a slot is that must not be called.
type Trap = unsafe extern "C" fn(*const c_void) -> usize;

/// Reports the call, and returns zero.
///
/// # Safety
///
/// `this` is a face that the host has not freed.
unsafe extern "C" fn trap<const SLOT: usize>(this: *const c_void) -> usize {
    // SAFETY: it is one, says the caller: the host keeps ended objects for a while.
    let head = unsafe { &*this.cast::<Head>() };
    let ended = head.ended.load(Ordering::Acquire);
    let rule = if ended { Rule::UsedAfterEnd } else { Rule::NotInThisVersion };
    head.violations.report(Violation::new(rule, head.interface, Some(SLOT)));
    0
}

macro_rules! traps {
    ($($slot:literal)+) => { [$(trap::<$slot>),+] };
}

/// More slots than any class has.
static TRAPS: [Trap; 64] = traps! {
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
    32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63
};
