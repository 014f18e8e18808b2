//! A new migration file must lead to a new build: the macro that embeds them cannot say so itself.
fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
