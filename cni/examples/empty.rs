//! The cost of being a program at all: started and over. `hack/bench` measures `hardwire`'s VERSION against it.

fn main() {}
