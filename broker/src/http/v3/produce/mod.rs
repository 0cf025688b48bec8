//! `POST /v3/clusters/{cluster}/topics/{topic}/records`: a stream of records in, a stream of
//! receipts out, both at once on one connection (Confluent's REST API v3).

mod open;
mod receipt;
mod record;
mod splitter;
mod stream;
mod wave;

pub(in crate::http) use open::open;

#[cfg(test)]
mod splitter_test;
