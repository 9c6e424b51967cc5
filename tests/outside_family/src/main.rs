//! A trainer that also knows the models of this crate.

fn main() -> std::process::ExitCode {
    trainer::run_with(trainer::Extensions {
        families: burn_vlm::Families::default().with(outside_family::Toy),
        ..trainer::Extensions::default()
    })
}
