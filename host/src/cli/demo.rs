//! demo

mod sample;
