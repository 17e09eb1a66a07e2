//! What only pointers are passed of: IIS's configuration system.

macro_rules! opaque {
    ($($(#[$about:meta])* $name:ident;)+) => {
        $(
            $(#[$about])*
            #[repr(C)]
            #[derive(Debug)]
            pub struct $name {
                hidden: [u8; 0],
            }
        )+
    };
}

opaque! {
    /// The configuration system (COM, of ahadmin.h).
    IAppHostAdminManager;
    /// An error of the configuration system (COM, of ahadmin.h).
    IAppHostConfigException;
    /// The settings of the worker process.
    IWpfSettings;
    /// The framework that runs the worker process.
    IWorkerProcessFramework;
}
