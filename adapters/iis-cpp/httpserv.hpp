// The interfaces of IIS's native modules, declared for this project from the facts in abi.json and the documentation.
//
// Declarations stand in the order of the header: overloads as they are declared there, not as the compiler places
// them. Nothing here says which slot a method has. That is what makes these files a second opinion on the Rust
// tables of adapters/iis-sys: the compiler decides, and `cargo xtask test cpp` compares.
//
// To be compiled with the MSVC object layout: clang --target=x86_64-pc-windows-msvc -fno-rtti -fno-exceptions.

#pragma once

#include "httpserv/iid.hpp"
#include "httpserv/module.hpp"
