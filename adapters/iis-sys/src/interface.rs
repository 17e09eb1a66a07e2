//! The macro that makes a class of a table, and what classes have in common.

/// An object of the class can be used where one of `Base` is wanted. Every class is its own base as well.
///
/// # Safety
///
/// The vtable of the class begins with that of `Base`.
pub unsafe trait Is<Base> {}

/// A pointer to the same object as one to a base class. It costs nothing.
///
/// ```
/// use bivalve_iis_sys::{IHttpContext, IHttpContext3, upcast};
///
/// fn plain(context: *mut IHttpContext3) -> *mut IHttpContext {
///     upcast(context)
/// }
/// ```
pub const fn upcast<Base, Class: Is<Base>>(object: *mut Class) -> *mut Base {
    object.cast()
}

/// Compiles where `Class` says that it is a `Base`.
pub(crate) const fn is<Class: Is<Base>, Base>() {}

/// Declares a class of C++.
///
/// ```text
/// interface! {
///     /// What it is.
///     class IDerived(IDerivedVtbl, IDerivedImpl) : IBase(IBaseVtbl, IBaseImpl), IBaseOfTheBase;
///     iid 0x00000000_0000_0000_0000_000000000000;   // left out where there is none
///     since IIS_8_0;                                // the first version of IIS that has it
///     slots 3;                                      // with the inherited ones
///
///     2 const fn name(argument: u32) -> BOOL        // slot, whether `this` is const, and the Rust signature
///         = "BOOL Name(DWORD dwArgument) const"     // the header's signature
///         => 0;                                     // what it returns where it is not implemented; seldom given
/// }
/// ```
///
/// Of this it makes the object, its vtable with `of::<T>()`, the trait to implement, and a function to call each
/// method. A slot that is not at its place in the vtable does not compile. What a row means for the tests is in
/// `FACTS`, with the types as they are written here.
macro_rules! interface {
    ($($table:tt)*) => { with_convention! { $($table)* } };
}

/// Methods are `thiscall` on x86, whatever the headers say about functions.
#[cfg(target_arch = "x86")]
macro_rules! with_convention {
    ($($table:tt)*) => { interface_of! { "thiscall" $($table)* } };
}

/// Everywhere else a method is a function whose first argument is the object.
#[cfg(not(target_arch = "x86"))]
macro_rules! with_convention {
    ($($table:tt)*) => { interface_of! { "C" $($table)* } };
}

macro_rules! interface_of {
    (
        $abi:literal
        $(#[$about:meta])*
        class $class:ident($vtbl:ident, $trait:ident)
            $(: $base:ident($base_vtbl:ident, $base_trait:ident) $(, $ancestor:ident)*)?;
        $(iid $iid:literal;)?
        since $since:ident;
        slots $slots:literal;

        $(
            $(#[$note:meta])*
            $slot:literal $const:tt fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)?
                = $signature:literal $(=> $default:expr)?;
        )+
    ) => {
        $(#[$about])*
        ///
        #[doc = concat!("To implement it, write [`", stringify!($trait), "`].")]
        #[repr(C)]
        #[derive(Debug)]
        pub struct $class {
            /// Where its methods are.
            pub vtable: *const $vtbl,
        }

        #[doc = concat!("The methods of [`", stringify!($class), "`], in the order of their slots.")]
        #[repr(C)]
        #[derive(Debug, Clone, Copy)]
        pub struct $vtbl {
            $(
                #[doc = concat!("The methods of [`", stringify!($base), "`].")]
                pub base: $base_vtbl,
            )?
            $(
                #[doc = concat!("Slot ", $slot, ": `", $signature, "`.")]
                pub $name: unsafe extern $abi fn(this: *$const $class $(, $arg: $ty)*) $(-> $ret)?,
            )+
        }

        #[doc = concat!("What an object of class [`", stringify!($class), "`] does when it is called.")]
        ///
        /// `this` is the object that was called; whose it is, is for the implementation to know.
        #[allow(clippy::missing_safety_doc)] // Said above once, and for all methods.
        #[allow(clippy::too_many_arguments)] // The header has as many.
        pub trait $trait $(: $base_trait)? {
            $(
                trait_method! {
                    #[doc = concat!("Slot ", $slot, ": `", $signature, "`.")]
                    $(
                        ///
                        #[$note]
                    )*
                    fn $name(this: *$const $class $(, $arg: $ty)*) $(-> $ret)? $(=> $default)?;
                }
            )+
        }

        impl $vtbl {
            /// The vtable of the class as `T` implements it, for a `static`.
            pub const fn of<T: $trait>() -> Self {
                $(
                    unsafe extern $abi fn $name<T: $trait>(this: *$const $class $(, $arg: $ty)*) $(-> $ret)? {
                        // SAFETY: the caller's promises are those that the trait's method asks for.
                        unsafe { <T as $trait>::$name(this $(, $arg)*) }
                    }
                )+
                Self { $(base: $base_vtbl::of::<T>(),)? $($name: $name::<T>),+ }
            }
        }

        #[allow(clippy::too_many_arguments)] // The header has as many.
        impl $class {
            $(
                /// What it is called by in `GetExtendedInterface`.
                pub const IID: crate::types::GUID = crate::types::GUID::from_u128($iid);
            )?

            /// The first version of IIS that has it, as `RegisterModule` is told it.
            pub const SINCE: u32 = $since;

            /// The object with this vtable.
            pub const fn new(vtable: &'static $vtbl) -> Self {
                Self { vtable }
            }

            $(
                #[doc = concat!("Slot ", $slot, ": `", $signature, "`.")]
                $(
                    ///
                    #[$note]
                )*
                ///
                /// # Safety
                ///
                /// `this` points to an object that is alive, of this class as this version of IIS has it; each
                /// argument is what the header's documentation asks for.
                #[inline]
                pub unsafe fn $name<C: crate::Is<$class>>(this: *$const C $(, $arg: $ty)*) $(-> $ret)? {
                    let this = this.cast::<$class>();
                    // SAFETY: the object is alive, says the caller, and the vtable of a derived class begins with
                    // this one, says `Is`.
                    unsafe { ((*(*this).vtable).$name)(this $(, $arg)*) }
                }
            )+
        }

        // SAFETY: it is the same class.
        unsafe impl crate::Is<$class> for $class {}

        $(
            // SAFETY: the vtable of the base is the first field of this one.
            unsafe impl crate::Is<$base> for $class {}

            $(
                // SAFETY: the base begins with that of its own base; the assertion below is that it says so too.
                unsafe impl crate::Is<$ancestor> for $class {}

                const _: () = crate::interface::is::<$base, $ancestor>();
            )*
        )?

        const _: () = {
            assert!(size_of::<$class>() == size_of::<usize>());
            assert!(size_of::<$vtbl>() == $slots * size_of::<usize>(), "this is not the number of slots");
            $(
                assert!(
                    core::mem::offset_of!($vtbl, $name) == $slot * size_of::<usize>(),
                    concat!(stringify!($class), "::", stringify!($name), " is not in its slot"),
                );
            )+
        };

        #[cfg(test)]
        impl $class {
            pub(crate) const FACTS: crate::tests::Facts = crate::tests::Facts {
                class: stringify!($class),
                bases: &[$(stringify!($base) $(, stringify!($ancestor))*)?],
                iid: &[$(crate::types::GUID::from_u128($iid))?],
                slots: $slots,
                methods: &[$(
                    crate::tests::Method {
                        slot: $slot,
                        name: stringify!($name),
                        constant: stringify!($const),
                        arguments: &[$(stringify!($ty)),*],
                        result: concat!($(stringify!($ret))?),
                        signature: $signature,
                    }
                ),+],
            };
        }
    };
}

/// One method of a trait, with a body where there is a default.
macro_rules! trait_method {
    ($(#[$doc:meta])* fn $name:ident($this:ident: $class:ty $(, $arg:ident: $ty:ty)*) $(-> $ret:ty)?;) => {
        $(#[$doc])*
        unsafe fn $name($this: $class $(, $arg: $ty)*) $(-> $ret)?;
    };
    ($(#[$doc:meta])* fn $name:ident($this:ident: $class:ty $(, $arg:ident: $ty:ty)*) $(-> $ret:ty)? => $default:expr;) => {
        $(#[$doc])*
        ///
        #[doc = concat!("Unless it is implemented, it returns `", stringify!($default), "`.")]
        unsafe fn $name($this: $class $(, $arg: $ty)*) $(-> $ret)? {
            let _ = ($this, $($arg),*);
            $default
        }
    };
}
