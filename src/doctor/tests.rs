use super::*;

#[test]
fn what_a_login_may_not_see_of_the_topology_is_told_once() {
    let unseen =
        ["checkout.commands", "checkout.order"].map(|name| rabbitmq::Difference::Unseen(name.into()));
    let mut found = Findings::default();
    look_at_differences(&unseen, &mut found);
    let [only] = found.0.as_slice() else { panic!("{found:?}") };
    assert_eq!((only.about, only.level), ("topology", Level::Note));
    assert!(
        only.what.starts_with("2 exchanges and queues") && only.fix.contains("administrator"),
        "{only:?}"
    );
}
