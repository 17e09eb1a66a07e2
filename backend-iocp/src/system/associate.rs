//! How what the caller gives comes to the port.

use std::io;
use std::os::windows::io::AsRawHandle;

use bivalve_core::Resource;

use super::sockets::{self, Provider};
use super::{Port, files};
use crate::call::Target;

pub(crate) fn associate(resource: Resource, port: &Port) -> io::Result<(Resource, Target)> {
    let kind = resource.kind();
    let plain = |raw, skips| Target { raw, kind, skips, waits: false, provider: None, v6: false };
    match resource {
        Resource::File(file) => {
            let (file, mode) = files::associate(file, port)?;
            let raw = file.as_raw_handle() as usize;
            let target = match mode {
                files::Mode::Overlapped { skips } => plain(raw, skips),
                // Its calls have ended when they return.
                files::Mode::Synchronous => Target { waits: true, ..plain(raw, true) },
            };
            Ok((Resource::File(file), target))
        }
        Resource::Pipe(pipe) => {
            files::associate_pipe(&pipe, port)?;
            let target = plain(pipe.as_raw_handle() as usize, false);
            Ok((Resource::Pipe(pipe), target))
        }
        Resource::TcpListener(listener) => {
            let raw = sockets::raw(&listener);
            let v6 = listener.local_addr()?.is_ipv6();
            let provider = Provider::of(raw)?;
            let skips = provider.associate(raw, port)?;
            let target = Target { provider: Some(provider), v6, ..plain(raw, skips) };
            Ok((Resource::TcpListener(listener), target))
        }
        Resource::TcpStream(stream) => {
            let raw = sockets::raw(&stream);
            let provider = Provider::of(raw)?;
            let skips = provider.associate(raw, port)?;
            let target = Target { provider: Some(provider), ..plain(raw, skips) };
            Ok((Resource::TcpStream(stream), target))
        }
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "a completion port takes files, pipes and TCP")),
    }
}
