//! Tests of the client through its public interface, over scripted transports and a clock that only moves when told.

#![allow(clippy::unwrap_used)] // the exemption for tests does not reach helpers of an integration test

mod description;
mod errors;
mod goldens;
mod http;
mod limits;
mod oauth;
mod paging;
mod secrets;
mod support;
mod writes;
mod writes_at_the_edge;
