//! The binary interface of IIS native modules, as `httpserv.h` and `http.h` declare it.
//!
//! There is no logic here: classes, records and constants, for a module that IIS loads and for a host that stands in
//! for IIS. The same layouts are compiled on Linux, where the host loads the same modules as shared objects.
//! Everything keeps the name of its header, methods apart: these are in snake case, and overloads have a name each.
//!
//! # Calling
//!
//! An object is a pointer to a structure whose first word is its vtable. A method is an associated function of **the
//! class that declares it**, and takes a pointer to that class or to any class derived from it, without a cast:
//!
//! ```
//! use bivalve_iis_sys::codes::HTTP_HEADER_ID;
//! use bivalve_iis_sys::types::PCSTR;
//! use bivalve_iis_sys::{IHttpContext, IHttpContext3, IHttpRequest};
//!
//! /// # Safety
//! ///
//! /// `context` is one that a notification was given, and the notification has not ended.
//! unsafe fn host_of(context: *mut IHttpContext3) -> PCSTR {
//!     // SAFETY: IIS keeps context and request alive until the notification ends.
//!     unsafe {
//!         let request = IHttpContext::get_request(context);
//!         IHttpRequest::get_header_by_id(request, HTTP_HEADER_ID::HOST, std::ptr::null_mut())
//!     }
//! }
//! ```
//!
//! The functions take raw pointers and no references: IIS calls back into the module during `Flush`,
//! `ReadEntityBody`, `MapPath` and `NotifyCustomNotification`, with the same objects. Naming the class also says which
//! of two methods is meant where C++ hides one: `PostCompletion` is another method in [`IHttpContext3`] than in
//! [`IHttpContext`]. [`upcast`] makes a pointer to a base, for an argument.
//!
//! # Implementing
//!
//! Each class has a trait, named after it with `Impl`, in which every method of C++ is a function that has to be
//! written. `IHttpUserVtbl::of::<T>()` makes the vtable of it, in a constant: nobody but the macro behind it has to
//! know about slots and calling conventions.
//!
//! ```
//! use bivalve_iis_sys::{
//!     IHttpConnectionStoredContext, IHttpConnectionStoredContextImpl, IHttpConnectionStoredContextVtbl,
//!     IHttpStoredContext, IHttpStoredContextImpl, upcast,
//! };
//!
//! #[repr(C)] // The object of the class comes first, so that a pointer to one is a pointer to the other.
//! struct Watch {
//!     class: IHttpConnectionStoredContext,
//!     gone: std::cell::Cell<bool>,
//! }
//!
//! static VTABLE: IHttpConnectionStoredContextVtbl = IHttpConnectionStoredContextVtbl::of::<Watch>();
//!
//! impl IHttpStoredContextImpl for Watch {
//!     unsafe fn cleanup_stored_context(this: *mut IHttpStoredContext) {
//!         // SAFETY: IIS gives back what `Box::into_raw` made, once.
//!         drop(unsafe { Box::from_raw(this.cast::<Watch>()) });
//!     }
//! }
//!
//! impl IHttpConnectionStoredContextImpl for Watch {
//!     unsafe fn notify_disconnect(this: *mut IHttpConnectionStoredContext) {
//!         // SAFETY: the object is alive until the clean-up.
//!         unsafe { (*this.cast::<Watch>()).gone.set(true) };
//!     }
//! }
//!
//! let watch = Box::new(Watch { class: IHttpConnectionStoredContext::new(&VTABLE), gone: false.into() });
//! let object = Box::into_raw(watch).cast::<IHttpConnectionStoredContext>();
//! // SAFETY: the object is alive until the last call, which frees it.
//! unsafe {
//!     IHttpConnectionStoredContext::notify_disconnect(object);
//!     assert!((*object.cast::<Watch>()).gone.get());
//!     IHttpStoredContext::cleanup_stored_context(upcast::<IHttpStoredContext, _>(object));
//! }
//! ```
//!
//! A panic that leaves such a function ends the process: catch it inside.
//!
//! # Traps
//!
//! - **Overloads are reversed.** Microsoft's compiler puts all overloads of a name where the first of them is declared,
//!   the last one first; a `const` pair is an overload too. The header's order of `GetHeader`, `SetHeader`,
//!   `DeleteHeader`, `SetUrl`, `GetServerVariable` and `GetRawHttpRequest` is therefore not that of the vtable.
//!   mingw's g++ keeps the header's order: it is no oracle, and neither host nor module may be built with it.
//! - **x86 has another convention for methods** (`thiscall`: the object is in a register) than for callbacks and
//!   `RegisterModule` (`stdcall`). Elsewhere there is one.
//! - **PCSTR and PCWSTR** look alike in a signature and are 8 and 16 bits a character. Lengths are in characters where
//!   the header's name says `cch`, and in bytes where it says `cb`; records of http.h count in bytes, without the
//!   terminator.
//! - **A newer interface is a longer vtable.** Calling a slot that this version of IIS does not have reads behind the
//!   end of it: see [`version`].
//! - **Lengths of 16 bits**: header values longer than 65,535 bytes cannot be said.
//!
//! # How it is known to be right
//!
//! `abi.json`, beside this crate's manifest, was read off the compiler's own vtables. Every slot, count, record size
//! and field offset is asserted while this crate compiles, for the target it compiles for; the tests compare names,
//! order and types of every method with `abi.json`, and the records with those of `windows-sys`.
//! 32-bit Unix is no target: it aligns 64-bit integers otherwise.

#![no_std]
// The names of the headers, so that Microsoft's documentation can be searched for them.
#![allow(non_camel_case_types, non_snake_case)]

#[macro_use]
mod interface;
#[macro_use]
mod record;

pub mod callbacks;
pub mod codes;
pub mod flags;
pub mod headers;
pub mod hresult;
mod interfaces;
pub mod opaque;
mod overloads;
pub mod records;
#[cfg(test)]
mod tests;
pub mod types;
pub mod version;

pub use interface::{Is, upcast};
pub use interfaces::*;
