package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/pager"
	"k8s.io/client-go/util/retry"
)

type step struct {
	name string
	run  func(ctx context.Context, config *rest.Config, namespace string) error
}

// check does what programs do, and prints a line for each that went well.
func check(ctx context.Context, config *rest.Config, namespace string) error {
	steps := []step{
		{"discovery", checkDiscovery},
		{"typed", checkTyped},
		{"dynamic", checkDynamic},
		{"apply", checkApply},
		{"pages", checkPages},
		{"errors", checkErrors},
		{"cached discovery", checkCachedDiscovery},
		{"selectors", checkSelectors},
		{"patches", checkPatches},
		{"apply configurations", checkApplyConfigurations},
		{"subresources", checkSubresources},
		{"protobuf", checkProtobuf},
		{"metadata", checkMetadata},
		{"informers", checkInformers},
		{"until", checkUntil},
		{"reviews", checkReviews},
		{"events", checkEvents},
		{"leader election", checkLeaderElection},
	}
	for _, one := range steps {
		limited, cancel := context.WithTimeout(ctx, 30*time.Second)
		err := one.run(limited, config, namespace)
		cancel()
		if err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
		fmt.Println("ok", one.name)
	}
	return nil
}

func checkDiscovery(_ context.Context, config *rest.Config, _ string) error {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	version, err := client.ServerVersion()
	if err != nil {
		return err
	}
	if version.Major != "1" || version.Minor == "" {
		return fmt.Errorf("version %v", version)
	}
	groups, lists, err := client.ServerGroupsAndResources()
	if err != nil {
		return err
	}
	for _, wanted := range []string{"v1", "apps/v1", "batch/v1", "policy/v1"} {
		if !slices.ContainsFunc(lists, func(list *metav1.APIResourceList) bool { return list.GroupVersion == wanted }) {
			return fmt.Errorf("%s is not discovered among %d groups", wanted, len(groups))
		}
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client))
	mapping, err := mapper.RESTMapping(schema.GroupKind{Group: "apps", Kind: "Deployment"})
	if err != nil {
		return err
	}
	if mapping.Resource.Resource != "deployments" || mapping.Scope.Name() != "namespace" {
		return fmt.Errorf("Deployment maps to %v", mapping)
	}
	documents, err := client.OpenAPIV3().Paths()
	if err != nil {
		return err
	}
	if _, found := documents["apis/apps/v1"]; !found {
		return fmt.Errorf("no OpenAPI document of apps/v1 among %d", len(documents))
	}
	return nil
}

func checkTyped(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	deployments := client.AppsV1().Deployments(namespace)
	created, err := deployments.Create(ctx, exampleDeployment("typed"), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if created.UID == "" || created.Generation != 1 || created.Spec.Strategy.Type != appsv1.RollingUpdateDeploymentStrategyType {
		return fmt.Errorf("created without identity or defaults: %+v", created.ObjectMeta)
	}
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		scale, err := deployments.GetScale(ctx, "typed", metav1.GetOptions{})
		if err != nil {
			return err
		}
		scale.Spec.Replicas = 0
		_, err = deployments.UpdateScale(ctx, "typed", scale, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return err
	}
	patched, err := deployments.Patch(ctx, "typed", types.StrategicMergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{})
	if err != nil {
		return err
	}
	if patched.Labels["a"] != "b" || *patched.Spec.Replicas != 0 {
		return fmt.Errorf("patched to %v and %d replicas", patched.Labels, *patched.Spec.Replicas)
	}
	foreground := metav1.DeletePropagationForeground
	return deployments.Delete(ctx, "typed", metav1.DeleteOptions{PropagationPolicy: &foreground, Preconditions: metav1.NewUIDPreconditions(string(created.UID))})
}

func checkDynamic(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	resource := client.Resource(configMaps).Namespace(namespace)
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"generateName": "dynamic-"},
		"data":     map[string]any{"a": "1"},
	}}
	created, err := resource.Create(ctx, object, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if err := unstructured.SetNestedField(created.Object, "2", "data", "a"); err != nil {
		return err
	}
	updated, err := resource.Update(ctx, created, metav1.UpdateOptions{})
	if err != nil {
		return err
	}
	if _, err = resource.Update(ctx, created, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		return fmt.Errorf("a stale update is no conflict: %w", err)
	}
	if err := resource.Delete(ctx, updated.GetName(), metav1.DeleteOptions{}); err != nil {
		return err
	}
	_, err = resource.Get(ctx, updated.GetName(), metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleted, and still there: %w", err)
	}
	return nil
}

func checkApply(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	maps := client.CoreV1().ConfigMaps(namespace)
	wanted := corev1apply.ConfigMap("applied", namespace).WithData(map[string]string{"a": "1"})
	if _, err := maps.Apply(ctx, wanted, metav1.ApplyOptions{FieldManager: "one"}); err != nil {
		return err
	}
	other := corev1apply.ConfigMap("applied", namespace).WithData(map[string]string{"a": "2"})
	if _, err := maps.Apply(ctx, other, metav1.ApplyOptions{FieldManager: "two"}); !apierrors.IsConflict(err) {
		return fmt.Errorf("another's field was taken without force: %w", err)
	}
	taken, err := maps.Apply(ctx, other, metav1.ApplyOptions{FieldManager: "two", Force: true})
	if err != nil {
		return err
	}
	extracted, err := corev1apply.ExtractConfigMap(taken, "two")
	if err != nil {
		return err
	}
	if extracted.Data["a"] != "2" {
		return fmt.Errorf("the managed fields of two say %v", extracted.Data)
	}
	return maps.Delete(ctx, "applied", metav1.DeleteOptions{})
}

func checkPages(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	maps := client.CoreV1().ConfigMaps(namespace)
	for number := range 7 {
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("page-%d", number), Labels: map[string]string{"pages": "yes"}}}
		if _, err := maps.Create(ctx, object, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	lister := pager.New(pager.SimplePageFunc(func(options metav1.ListOptions) (runtime.Object, error) { return maps.List(ctx, options) }))
	lister.PageSize = 3
	var names []string
	err = lister.EachListItem(ctx, metav1.ListOptions{LabelSelector: "pages=yes"}, func(object runtime.Object) error {
		names = append(names, object.(*corev1.ConfigMap).Name)
		return nil
	})
	if err != nil {
		return err
	}
	if len(names) != 7 || !slices.IsSorted(names) {
		return fmt.Errorf("in pages of 3: %v", names)
	}
	return maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "pages=yes"})
}

func checkErrors(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	maps := client.CoreV1().ConfigMaps(namespace)
	_, err = maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "Not A Name"}}, metav1.CreateOptions{})
	if !apierrors.IsInvalid(err) {
		return fmt.Errorf("a bad name is not Invalid: %w", err)
	}
	if cause, found := apierrors.StatusCause(err, metav1.CauseTypeFieldValueInvalid); !found || cause.Field != "metadata.name" {
		return fmt.Errorf("the cause does not name the field: %w", err)
	}
	// client-go tries again ten times, as it is told to; here once is enough.
	err = client.CoreV1().RESTClient().Get().Namespace(namespace).Resource("configmaps").
		Param("resourceVersion", "999999999").Param("resourceVersionMatch", "NotOlderThan").MaxRetries(0).Do(ctx).Error()
	if !apierrors.IsTimeout(err) || !apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge) {
		return fmt.Errorf("a version of the future is not too large: %w", err)
	}
	_, err = maps.Watch(ctx, metav1.ListOptions{FieldSelector: "data.a=1"})
	if !apierrors.IsBadRequest(err) {
		return fmt.Errorf("an unknown field selector is no bad request: %w", err)
	}
	return nil
}

func exampleDeployment(name string) *appsv1.Deployment {
	replicas := int32(1)
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "podium.dev/host", Command: []string{"sleep", "1000"}}}},
			},
		},
	}
}
