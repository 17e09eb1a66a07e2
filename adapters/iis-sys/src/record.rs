//! The macro that makes a record of a table.

/// Declares a record.
///
/// ```text
/// record! {
///     /// What it is.
///     NAME: 16 8, align 8;                      // its size on 64-bit targets and on x86, its alignment on the former
///     8 4 pValue: PCSTR = "PCSTR pValue";       // the offset likewise, the field, and how the header declares it
/// }
/// ```
///
/// A number that is wrong for the target does not compile. A record begins as `zeroed`, as the users of the headers
/// do it.
macro_rules! record {
    (
        $(#[$about:meta])*
        $name:ident: $size:literal $size_x86:literal, align $align:literal;
        $($offset:literal $offset_x86:literal $field:ident: $type:ty = $declaration:literal;)+
    ) => {
        $(#[$about])*
        #[repr(C)]
        #[derive(Debug, Clone, Copy)]
        pub struct $name {
            $(
                #[doc = concat!("`", $declaration, "`, at ", $offset, " (x86: ", $offset_x86, ").")]
                pub $field: $type,
            )+
        }

        impl $name {
            /// All zeros: what the header's users begin with.
            pub const fn zeroed() -> Self {
                // SAFETY: it has numbers and raw pointers only, for which zero is a value.
                unsafe { core::mem::zeroed() }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::zeroed()
            }
        }

        const _: () = {
            const X86: bool = cfg!(target_pointer_width = "32");
            assert!(
                size_of::<$name>() == if X86 { $size_x86 } else { $size },
                concat!(stringify!($name), " has another size"),
            );
            assert!(X86 || align_of::<$name>() == $align, concat!(stringify!($name), " has another alignment"));
            $(
                assert!(
                    core::mem::offset_of!($name, $field) == if X86 { $offset_x86 } else { $offset },
                    concat!(stringify!($name), "::", stringify!($field), " is not at its place"),
                );
            )+
        };
    };
}
