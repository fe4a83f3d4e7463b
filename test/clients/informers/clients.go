package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	kwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/disk"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	watchtools "k8s.io/client-go/tools/watch"
)

// checkCachedDiscovery: aggregated, one group after the other, and out of caches in memory and on disk: all say the same.
func checkCachedDiscovery(_ context.Context, config *rest.Config, _ string) error {
	plain, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	_, aggregated, failed, err := plain.GroupsAndMaybeResources()
	if err != nil {
		return err
	}
	if aggregated == nil || len(failed) > 0 {
		return fmt.Errorf("discovery is not aggregated, or lacks groups: %v", failed)
	}
	legacy, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	legacy.UseLegacyDiscovery = true
	folder, err := os.MkdirTemp("", "discovery-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	onDisk, err := disk.NewCachedDiscoveryClientForConfig(config, filepath.Join(folder, "d"), filepath.Join(folder, "http"), time.Hour)
	if err != nil {
		return err
	}
	inMemory := memory.NewMemCacheClient(plain)
	wanted, err := namesOf(plain)
	if err != nil {
		return err
	}
	for name, client := range map[string]discovery.DiscoveryInterface{"legacy": legacy, "memory": inMemory, "disk": onDisk} {
		found, err := namesOf(client)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if !slices.Equal(found, wanted) {
			return fmt.Errorf("%s has %v, aggregated %v", name, found, wanted)
		}
	}
	inMemory.Invalidate()
	if _, err := namesOf(inMemory); err != nil || !inMemory.Fresh() {
		return fmt.Errorf("not fresh after a second look: %w", err)
	}
	return nil
}

// namesOf: each resource and subresource with its kind, verbs and short names, in order.
func namesOf(client discovery.DiscoveryInterface) ([]string, error) {
	_, lists, err := client.ServerGroupsAndResources()
	var names []string
	for _, list := range lists {
		for _, one := range list.APIResources {
			verbs := slices.Clone(one.Verbs)
			slices.Sort(verbs)
			names = append(names, fmt.Sprintf("%s/%s %s %t %v %v %v", list.GroupVersion, one.Name, one.Kind, one.Namespaced, verbs, one.ShortNames, one.Categories))
		}
	}
	slices.Sort(names)
	return names, err
}

// checkProtobuf: Kubernetes' own parts send protobuf, and take JSON where they get it.
func checkProtobuf(ctx context.Context, config *rest.Config, namespace string) error {
	binary := rest.CopyConfig(config)
	binary.ContentType = runtime.ContentTypeProtobuf
	binary.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	client, err := kubernetes.NewForConfig(binary)
	if err != nil {
		return err
	}
	pods := client.CoreV1().Pods(namespace)
	sent := examplePod("binary", map[string]string{"a": "b"})
	sent.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "X", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}}}
	created, err := pods.Create(ctx, sent, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if created.Spec.Containers[0].Env[0].ValueFrom.FieldRef.FieldPath != "metadata.name" || created.Spec.RestartPolicy != corev1.RestartPolicyAlways {
		return fmt.Errorf("created as %+v", created.Spec)
	}
	created.Labels["a"] = "c"
	if created, err = pods.Update(ctx, created, metav1.UpdateOptions{}); err != nil || created.Labels["a"] != "c" {
		return fmt.Errorf("updated to %v: %w", created.Labels, err)
	}
	zero := int64(0)
	return pods.Delete(ctx, "binary", metav1.DeleteOptions{GracePeriodSeconds: &zero, Preconditions: metav1.NewUIDPreconditions(string(created.UID))})
}

// checkMetadata: objects of any kind by their metadata alone.
func checkMetadata(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "bare", Labels: map[string]string{"bare": "yes"}}, Data: map[string]string{"a": "1"}}
	if _, err := client.CoreV1().ConfigMaps(namespace).Create(ctx, object, metav1.CreateOptions{}); err != nil {
		return err
	}
	bare, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	resource := bare.Resource(configMaps).Namespace(namespace)
	list, err := resource.List(ctx, metav1.ListOptions{LabelSelector: "bare=yes"})
	if err != nil {
		return err
	}
	if len(list.Items) != 1 || list.Items[0].Name != "bare" || list.ResourceVersion == "" {
		return fmt.Errorf("listed as %+v", list)
	}
	watcher, err := resource.Watch(ctx, metav1.ListOptions{LabelSelector: "bare=yes", ResourceVersion: list.ResourceVersion})
	if err != nil {
		return err
	}
	defer watcher.Stop()
	patched, err := resource.Patch(ctx, "bare", types.MergePatchType, []byte(`{"metadata":{"annotations":{"x":"y"}}}`), metav1.PatchOptions{})
	if err != nil {
		return err
	}
	event := <-watcher.ResultChan()
	seen, isBare := event.Object.(*metav1.PartialObjectMetadata)
	if !isBare || event.Type != kwatch.Modified || seen.ResourceVersion != patched.ResourceVersion || seen.Annotations["x"] != "y" {
		return fmt.Errorf("watched %s %+v", event.Type, event.Object)
	}
	return resource.Delete(ctx, "bare", metav1.DeleteOptions{})
}

// checkInformers: shared informers of three kinds, one with a selector and an index, hold the same.
func checkInformers(ctx context.Context, config *rest.Config, namespace string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	dynamically, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	bare, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	selected := func(options *metav1.ListOptions) { options.LabelSelector = "held=yes" }
	typed := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace), informers.WithTweakListOptions(selected))
	ofData := typed.Core().V1().ConfigMaps()
	if err := ofData.Informer().AddIndexers(cache.Indexers{"byValue": func(object any) ([]string, error) { return []string{object.(*corev1.ConfigMap).Data["a"]}, nil }}); err != nil {
		return err
	}
	dynamicFactory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(dynamically, 0, namespace, selected)
	bareFactory := metadatainformer.NewFilteredSharedInformerFactory(bare, 0, namespace, selected)
	all := []cache.SharedIndexInformer{ofData.Informer(), dynamicFactory.ForResource(configMaps).Informer(), bareFactory.ForResource(configMaps).Informer()}
	typed.Start(ctx.Done())
	dynamicFactory.Start(ctx.Done())
	bareFactory.Start(ctx.Done())
	for _, informer := range all {
		if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
			return fmt.Errorf("an informer is not synced")
		}
	}
	maps := client.CoreV1().ConfigMaps(namespace)
	for number := range 3 {
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("held-%d", number), Labels: map[string]string{"held": "yes"}}, Data: map[string]string{"a": fmt.Sprint(number % 2)}}
		if _, err := maps.Create(ctx, object, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	// Out of the selection, it is out of the informers.
	if _, err := maps.Patch(ctx, "held-1", types.MergePatchType, []byte(`{"metadata":{"labels":{"held":"no"}}}`), metav1.PatchOptions{}); err != nil {
		return err
	}
	var held []string
	err = wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
		held = nil
		for _, informer := range all {
			keys := informer.GetStore().ListKeys()
			slices.Sort(keys)
			held = append(held, strings.Join(keys, " "))
		}
		wanted := namespace + "/held-0 " + namespace + "/held-2"
		return !slices.ContainsFunc(held, func(one string) bool { return one != wanted }), nil
	})
	if err != nil {
		return fmt.Errorf("the informers hold %q: %w", held, err)
	}
	if found, err := ofData.Informer().GetIndexer().ByIndex("byValue", "0"); err != nil || len(found) != 2 {
		return fmt.Errorf("by the index: %v, %w", found, err)
	}
	return maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "held"})
}

// checkUntil waits for a condition as `kubectl wait` and tests do, by a list and a watch that is resumed.
func checkUntil(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	maps := client.CoreV1().ConfigMaps(namespace)
	created, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "until"}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.FieldSelector = "metadata.name=until"
			return maps.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (kwatch.Interface, error) {
			options.FieldSelector = "metadata.name=until"
			return maps.Watch(ctx, options)
		},
	}
	changed := make(chan error, 1)
	go func() {
		_, err := maps.Patch(ctx, "until", types.MergePatchType, []byte(`{"data":{"done":"yes"}}`), metav1.PatchOptions{})
		changed <- err
	}()
	// From the version before the change, so that it cannot be missed.
	event, err := watchtools.Until(ctx, created.ResourceVersion, source, func(event kwatch.Event) (bool, error) {
		return event.Object.(*corev1.ConfigMap).Data["done"] == "yes", nil
	})
	if err != nil {
		return err
	}
	if err := <-changed; err != nil {
		return err
	}
	// Once it has been seen: of what was gone before the first list nobody is told.
	var begin sync.Once
	event, err = watchtools.UntilWithSync(ctx, source, &corev1.ConfigMap{}, nil, func(event kwatch.Event) (bool, error) {
		begin.Do(func() { go func() { changed <- maps.Delete(ctx, "until", metav1.DeleteOptions{}) }() })
		return event.Type == kwatch.Deleted, nil
	})
	if err != nil {
		return fmt.Errorf("deleted, and not seen so: %v, %w", event, err)
	}
	return <-changed
}

// checkReviews: who asks, and what may be done, as the server says it.
func checkReviews(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	self, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if self.Status.UserInfo.Username != "admin" || !slices.Contains(self.Status.UserInfo.Groups, "system:masters") {
		return fmt.Errorf("the server knows us as %+v", self.Status.UserInfo)
	}
	for token, wanted := range map[string]string{config.BearerToken: "admin", "nobody's": ""} {
		review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
		answer, err := client.AuthenticationV1().TokenReviews().Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		if answer.Status.User.Username != wanted || answer.Status.Authenticated != (wanted != "") {
			return fmt.Errorf("a token of %q is reviewed as %+v", wanted, answer.Status)
		}
	}
	question := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: "delete", Resource: "pods"},
	}}
	answer, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, question, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if !answer.Status.Allowed {
		return fmt.Errorf("an administrator may not delete pods: %+v", answer.Status)
	}
	return nil
}

// checkEvents: an event that comes again is the same object with a higher count.
func checkEvents(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	broadcaster := record.NewBroadcaster()
	defer broadcaster.Shutdown()
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events(namespace)})
	recorder := broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "check"})
	about := &corev1.ObjectReference{Kind: "Pod", APIVersion: "v1", Namespace: namespace, Name: "told", UID: "1"}
	for range 3 {
		recorder.Event(about, corev1.EventTypeWarning, "Again", "and again")
	}
	var counts []int32
	err = wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
		list, err := client.CoreV1().Events(namespace).Search(scheme.Scheme, about)
		if err != nil {
			return false, err
		}
		counts = nil
		for _, event := range list.Items {
			counts = append(counts, event.Count)
		}
		return slices.Equal(counts, []int32{3}), nil
	})
	if err != nil {
		return fmt.Errorf("an event told three times has the counts %v: %w", counts, err)
	}
	return client.CoreV1().Events(namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{FieldSelector: "involvedObject.name=told"})
}
