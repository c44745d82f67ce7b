//! Prints two lines: the path of a protoc for this platform, and the folder of the well-known .proto files.
#![forbid(unsafe_code)]

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("{}", protoc_bin_vendored::protoc_bin_path()?.display());
    println!("{}", protoc_bin_vendored::include_path()?.display());
    Ok(())
}
