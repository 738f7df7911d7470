//! `checkout`: one binary, every role.

fn main() -> std::process::ExitCode {
    checkout_saga::cli::main()
}
