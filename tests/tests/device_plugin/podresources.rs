//! Which pod holds which device: the kubelet's answer, as the daemon reads it.

use hardwire_device_plugin::podresources::{Held, Holder, PodResources, PodResourcesError};
use hardwire_tests::kubelet::End;

use super::*;

fn held(kubelet: &Kubelet, site: &Site) -> Result<Held, PodResourcesError> {
    kubelet.block_on(PodResources::at(&site.kubelet_dir()).held())
}

#[test]
fn holders_are_known_as_long_as_the_kubelet_counts_them() {
    let running = Running::registered(3);
    let ask = || held(&running.kubelet, &running.site).unwrap();
    assert_eq!(ask(), Held::default());

    let one = running.kubelet.admit("red/a", "main", RESOURCE, 2).unwrap().devices;
    let other = running.kubelet.admit("blue/b", "side", RESOURCE, 1).unwrap().devices;
    let holder = |namespace: &str, pod: &str, container: &str| Holder {
        namespace: namespace.to_owned(),
        pod: pod.to_owned(),
        container: container.to_owned(),
        resource: RESOURCE.to_owned(),
    };
    let now = ask();
    assert_eq!(now.holder(&one[0]), Some(&holder("red", "a", "main")));
    assert_eq!(now.holder(&one[1]), Some(&holder("red", "a", "main")));
    assert_eq!(now.holder(&other[0]), Some(&holder("blue", "b", "side")));
    assert_eq!(now.holder("0000:09:00.0"), None);
    assert_eq!(now.iter().count(), 3);

    running.kubelet.free("red/a");
    let left: Vec<String> = ask().iter().map(|(id, _)| id.to_owned()).collect();
    assert_eq!(left, other);
}

#[test]
fn a_killed_kubelet_is_an_error_and_a_new_one_answers_with_what_it_remembers() {
    let mut running = Running::registered(1);
    running.kubelet.admit("red/a", "main", RESOURCE, 1).unwrap();
    running.kubelet.end(End::Killed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let refused = runtime.block_on(PodResources::at(&running.site.kubelet_dir()).held());
    let error = refused.unwrap_err().to_string();
    assert!(
        error.contains("pod-resources/kubelet.sock") && error.contains("refused"),
        "{error}"
    );

    running.kubelet.restart(End::Killed).unwrap();
    let now = held(&running.kubelet, &running.site).unwrap();
    assert_eq!(now.holder("0000:01:10.0").unwrap().pod, "a");
}
