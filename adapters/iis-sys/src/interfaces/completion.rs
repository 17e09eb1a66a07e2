//! How an asynchronous operation went.

use crate::types::HRESULT;
use crate::version::{IIS_7_0, IIS_8_0};

interface! {
    /// The result of an asynchronous operation.
    class IHttpCompletionInfo(IHttpCompletionInfoVtbl, IHttpCompletionInfoImpl);
    iid 0x49dd20e3_d9c0_463c_8821_f3413b55cc00;
    since IIS_7_0;
    slots 2;

    0 const fn get_completion_bytes() -> u32
        = "DWORD GetCompletionBytes() const";
    1 const fn get_completion_status() -> HRESULT
        = "HRESULT GetCompletionStatus() const";
}

interface! {
    /// The result, and which notification it was started in.
    class IHttpCompletionInfo2(IHttpCompletionInfo2Vtbl, IHttpCompletionInfo2Impl)
        : IHttpCompletionInfo(IHttpCompletionInfoVtbl, IHttpCompletionInfoImpl);
    iid 0x53129f70_0196_47ec_b16c_127906e2afeb;
    since IIS_8_0;
    slots 3;

    2 const fn get_completed_operation() -> u32
        = "DWORD GetCompletedOperation() const";
}
