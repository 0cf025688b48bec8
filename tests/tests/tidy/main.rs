//! House rules that a program can check: who names whom, how long things are, which words are banned.
//!
//! Cargo and the compiler check the rest. A rule is a table or a constant at the head of its file;
//! whoever changes one changes it there, with a reason in the commit.

mod arrows;
mod dependencies;
mod function_lengths;
mod manifests;
mod sources;
mod texts;
mod top_level;
mod workspace;
