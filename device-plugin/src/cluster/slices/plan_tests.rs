use super::*;
use crate::cluster::slices::layout::Layout;
use crate::cluster::slices::layout::fixture::devices;

fn owner() -> Owner {
    Owner {
        driver: "hardwire.dev".to_owned(),
        node: "node1".to_owned(),
        uid: "uid-node".to_owned(),
    }
}

fn contents(count: usize) -> Vec<Content> {
    Layout::default().slices("hardwire.dev", devices(count), true)
}

/// As an API server has them after a plan was carried out.
fn written(known: &Known, plan: &Plan, wanted: &[Content]) -> Known {
    let mut known = known.clone();
    known.retain(|name, _| !plan.delete.contains(name));
    for place in &plan.write {
        let name = owner().name(*place);
        let found = SliceFound {
            name: name.clone(),
            digest: Some(stamp(&wanted[*place], wanted.len())),
            pool_generation: Some(plan.generation),
            ..SliceFound::default()
        };
        known.insert(name, found);
    }
    known
}

fn planned(known: &Known, wanted: &[Content]) -> Plan {
    plan(&owner(), known, wanted, 0, |_| true)
}

fn all(count: usize) -> (Vec<Content>, Known) {
    let wanted = contents(count);
    let plan = planned(&Known::new(), &wanted);
    assert_eq!((plan.generation, plan.write.len()), (1, wanted.len()));
    let known = written(&Known::new(), &plan, &wanted);
    (wanted, known)
}

#[test]
fn what_is_there_already_is_not_written() {
    let (wanted, known) = all(1024);
    let again = planned(&known, &wanted);
    assert_eq!((again.write, again.delete), (vec![], vec![]));
}

#[test]
fn one_slice_that_changed_is_written_alone_and_two_are_a_new_generation_of_all() {
    let (mut wanted, known) = all(1024);
    wanted[3].digest = "other".to_owned();
    let one = planned(&known, &wanted);
    assert_eq!((one.generation, &one.write), (1, &vec![3]));
    let known = written(&known, &one, &wanted);
    (wanted[3].digest, wanted[4].digest) = ("third".to_owned(), "other".to_owned());
    let two = planned(&known, &wanted);
    assert_eq!((two.generation, two.write.len()), (2, 16));
    assert_eq!(planned(&written(&known, &two, &wanted), &wanted).write, [0_usize; 0]);
}

#[test]
fn slices_that_were_deleted_come_back_within_their_generation() {
    let (wanted, mut known) = all(1024);
    known.remove(&owner().name(7));
    let some = planned(&known, &wanted);
    assert_eq!((some.generation, some.write), (1, vec![7]));
    let none = plan(&owner(), &Known::new(), &wanted, 9, |_| true);
    assert_eq!(
        (none.generation, none.write.len()),
        (9, 16),
        "no older one than was seen"
    );
}

#[test]
fn another_count_of_slices_is_a_new_generation_and_what_is_too_much_goes() {
    let (_, known) = all(64);
    let two = contents(65);
    let more = planned(&known, &two);
    assert_eq!((more.generation, &more.write, more.delete.len()), (2, &vec![0, 1], 0));
    let known = written(&known, &more, &two);
    let fewer = planned(&known, &contents(64));
    assert_eq!(
        (fewer.generation, fewer.write, fewer.delete),
        (3, vec![0], vec![owner().name(1)])
    );
}

#[test]
fn what_somebody_else_changed_is_written_whatever_it_says_of_itself() {
    let (wanted, known) = all(128);
    let spoilt = owner().name(1);
    let one = plan(&owner(), &known, &wanted, 0, |found| found.name != spoilt);
    assert_eq!((one.generation, one.write), (1, vec![1]));
}

#[test]
fn a_write_that_was_interrupted_is_a_generation_that_nobody_uses() {
    let (_, known) = all(128);
    let mut wanted = contents(128);
    for content in &mut wanted {
        content.digest.push('x');
    }
    let mut half = planned(&known, &wanted);
    half.write.pop();
    let known = written(&known, &half, &wanted);
    let rest = planned(&known, &wanted);
    assert_eq!(
        (rest.generation, rest.write),
        (2, vec![1]),
        "the other one has the new generation already"
    );
}

#[test]
fn a_slice_says_whose_it_is_and_how_many_there_are() {
    let wanted = contents(65);
    let slice = owner().slice(1, &wanted[1], 7, 2).unwrap();
    let slice: Value = serde_json::from_str(slice.get()).unwrap();
    assert_eq!(slice["metadata"]["name"], "00001-hardwire.dev-node1");
    assert_eq!(slice["metadata"]["ownerReferences"][0]["uid"], "uid-node");
    assert_eq!(
        slice["spec"]["pool"],
        json!({"name": "node1", "generation": 7, "resourceSliceCount": 2})
    );
    assert_eq!(slice["spec"]["devices"].as_array().unwrap().len(), 1);
    let long = Owner {
        node: "n".repeat(253),
        ..owner()
    };
    assert_eq!(long.name(0).len(), NAME_MAX);
}
