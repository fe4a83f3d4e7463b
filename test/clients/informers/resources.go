package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	appsv1apply "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	metav1apply "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/scale"
)

func examplePod(name string, labels map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "podium.dev/host", Command: []string{"sleep", "1000"}}}},
	}
}

// checkSelectors: lists by labels and by fields, made by the libraries' own builders.
func checkSelectors(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	pods := client.CoreV1().Pods(namespace)
	for name, tier := range map[string]string{"s-a": "front", "s-b": "back", "s-c": ""} {
		pod := examplePod(name, map[string]string{"selectors": "yes"})
		if tier != "" {
			pod.Labels["tier"] = tier
		}
		if _, err := pods.Create(ctx, pod, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	node := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: "s-b"}, Target: corev1.ObjectReference{Kind: "Node", Name: "n"}}
	if err := pods.Bind(ctx, node, metav1.CreateOptions{}); err != nil {
		return err
	}
	var noTier labels.Selector = labels.NewSelector()
	requirement, err := labels.NewRequirement("tier", "!", nil)
	if err != nil {
		return err
	}
	noTier = noTier.Add(*requirement)
	for _, one := range []struct {
		labels string
		fields fields.Selector
		wanted string
	}{
		{"selectors=yes", fields.Everything(), "s-a s-b s-c"},
		{"selectors=yes,tier in (front,back)", fields.Everything(), "s-a s-b"},
		{"selectors=yes,tier notin (front)", fields.Everything(), "s-b s-c"},
		{"selectors=yes,tier!=back,tier", fields.Everything(), "s-a"},
		{"selectors=yes," + noTier.String(), fields.Everything(), "s-c"},
		{"selectors=yes", fields.OneTermEqualSelector("metadata.name", "s-a"), "s-a"},
		{"selectors=yes", fields.OneTermEqualSelector("spec.nodeName", "n"), "s-b"},
		{"selectors=yes", fields.OneTermNotEqualSelector("spec.nodeName", "n"), "s-a s-c"},
		{"selectors=yes", fields.AndSelectors(fields.OneTermEqualSelector("status.phase", "Pending"), fields.OneTermEqualSelector("spec.nodeName", "")), "s-a s-c"},
	} {
		list, err := pods.List(ctx, metav1.ListOptions{LabelSelector: one.labels, FieldSelector: one.fields.String()})
		if err != nil {
			return err
		}
		var names []string
		for _, pod := range list.Items {
			names = append(names, pod.Name)
		}
		if slices.Sort(names); strings.Join(names, " ") != one.wanted {
			return fmt.Errorf("%s and %s select %v, not %s", one.labels, one.fields, names, one.wanted)
		}
	}
	zero := int64(0)
	return pods.DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &zero}, metav1.ListOptions{LabelSelector: "selectors"})
}

// checkPatches: one object, changed in each of the four ways.
func checkPatches(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	deployments := client.AppsV1().Deployments(namespace)
	if _, err := deployments.Create(ctx, exampleDeployment("patched"), metav1.CreateOptions{}); err != nil {
		return err
	}
	steps := []struct {
		kind   types.PatchType
		body   string
		wanted string
	}{
		{types.StrategicMergePatchType, `{"spec":{"template":{"spec":{"containers":[{"name":"second","image":"b"}]}}}}`, "main=podium.dev/host second=b"},
		{types.JSONPatchType, `[{"op":"test","path":"/spec/replicas","value":1},{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"c"}]`, ""},
		{types.StrategicMergePatchType, `{"spec":{"template":{"spec":{"containers":[{"name":"second","$patch":"delete"}]}}}}`, ""},
		{types.MergePatchType, `{"spec":{"template":{"spec":{"containers":[{"name":"only","image":"d"}]}}}}`, "only=d"},
	}
	for _, step := range steps {
		patched, err := deployments.Patch(ctx, "patched", step.kind, []byte(step.body), metav1.PatchOptions{FieldManager: "patcher"})
		if err != nil {
			return fmt.Errorf("%s: %w", step.kind, err)
		}
		var found []string
		for _, container := range patched.Spec.Template.Spec.Containers {
			found = append(found, container.Name+"="+container.Image)
		}
		if slices.Sort(found); step.wanted != "" && strings.Join(found, " ") != step.wanted {
			return fmt.Errorf("%s leaves %v, not %s", step.kind, found, step.wanted)
		}
	}
	_, err = deployments.Patch(ctx, "patched", types.JSONPatchType, []byte(`[{"op":"test","path":"/spec/replicas","value":7}]`), metav1.PatchOptions{})
	if !apierrors.IsInvalid(err) {
		return fmt.Errorf("a test that fails is not Invalid: %w", err)
	}
	dynamically, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	resource := dynamically.Resource(schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}).Namespace(namespace)
	wanted := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": "patched", "labels": map[string]any{"applied": "yes"}},
	}}
	applied, err := resource.Apply(ctx, "patched", wanted, metav1.ApplyOptions{FieldManager: "applier"})
	if err != nil {
		return err
	}
	if applied.GetLabels()["applied"] != "yes" {
		return fmt.Errorf("applied, and labelled %v", applied.GetLabels())
	}
	return deployments.Delete(ctx, "patched", metav1.DeleteOptions{})
}

// checkApplyConfigurations: a Deployment as its owner applies it: built, applied, extracted, changed and applied again.
func checkApplyConfigurations(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	deployments := client.AppsV1().Deployments(namespace)
	label := map[string]string{"app": "configured"}
	container := func(name string) *corev1apply.ContainerApplyConfiguration {
		return corev1apply.Container().WithName(name).WithImage("podium.dev/host").WithCommand("sleep", "1000")
	}
	wanted := appsv1apply.Deployment("configured", namespace).WithSpec(appsv1apply.DeploymentSpec().
		WithReplicas(1).
		WithSelector(metav1apply.LabelSelector().WithMatchLabels(label)).
		WithTemplate(corev1apply.PodTemplateSpec().WithLabels(label).
			WithSpec(corev1apply.PodSpec().WithContainers(container("a"), container("b")))))
	options := metav1.ApplyOptions{FieldManager: "owner"}
	if _, err := deployments.Apply(ctx, wanted, options); err != nil {
		return err
	}
	live, err := deployments.Get(ctx, "configured", metav1.GetOptions{})
	if err != nil {
		return err
	}
	extracted, err := appsv1apply.ExtractDeployment(live, "owner")
	if err != nil {
		return err
	}
	if *extracted.Spec.Replicas != 1 || len(extracted.Spec.Template.Spec.Containers) != 2 || extracted.Spec.Strategy != nil {
		return fmt.Errorf("what the owner has applied is extracted as %+v", extracted.Spec)
	}
	// What is left out of the next apply goes: a container, and the number of replicas, which falls back to its default.
	extracted.Spec.Replicas = nil
	extracted.Spec.Template.Spec.Containers = extracted.Spec.Template.Spec.Containers[:1]
	changed, err := deployments.Apply(ctx, extracted, options)
	if err != nil {
		return err
	}
	if len(changed.Spec.Template.Spec.Containers) != 1 || *changed.Spec.Replicas != 1 || changed.Generation != live.Generation+1 {
		return fmt.Errorf("applied with less: %+v", changed.Spec)
	}
	status := appsv1apply.Deployment("configured", namespace).WithStatus(appsv1apply.DeploymentStatus().WithObservedGeneration(changed.Generation))
	observed, err := deployments.ApplyStatus(ctx, status, metav1.ApplyOptions{FieldManager: "observer"})
	if err != nil {
		return err
	}
	ofStatus, err := appsv1apply.ExtractDeploymentStatus(observed, "observer")
	if err != nil {
		return err
	}
	if ofStatus.Status == nil || *ofStatus.Status.ObservedGeneration != changed.Generation || ofStatus.Spec != nil {
		return fmt.Errorf("the status of the observer is extracted as %+v", ofStatus)
	}
	return deployments.Delete(ctx, "configured", metav1.DeleteOptions{})
}

// checkSubresources: a status that leaves the spec alone, scale of whatever has one, and evictions within a budget.
func checkSubresources(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	deployments := client.AppsV1().Deployments(namespace)
	created, err := deployments.Create(ctx, exampleDeployment("parts"), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	created.Spec.Paused = true
	created.Status.Replicas = 5
	updated, err := deployments.UpdateStatus(ctx, created, metav1.UpdateOptions{})
	if err != nil {
		return err
	}
	if updated.Spec.Paused || updated.Status.Replicas != 5 || updated.Generation != 1 {
		return fmt.Errorf("a status was written as %+v", updated)
	}
	updated.Spec.Paused = true
	updated.Status.Replicas = 6
	if updated, err = deployments.Update(ctx, updated, metav1.UpdateOptions{}); err != nil {
		return err
	}
	if !updated.Spec.Paused || updated.Status.Replicas != 5 || updated.Generation != 2 {
		return fmt.Errorf("a spec was written as %+v", updated)
	}
	if err := checkScale(ctx, client.Discovery(), config, namespace); err != nil {
		return err
	}
	if err := deployments.Delete(ctx, "parts", metav1.DeleteOptions{}); err != nil {
		return err
	}
	return checkEviction(ctx, client, namespace)
}

// checkScale scales by the client that knows no kind: it finds out by discovery what a scale is of.
func checkScale(ctx context.Context, found discovery.DiscoveryInterface, config *rest.Config, namespace string) error {
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(found))
	scales, err := scale.NewForConfig(config, mapper, dynamic.LegacyAPIPathResolverFunc, scale.NewDiscoveryScaleKindResolver(found))
	if err != nil {
		return err
	}
	resource := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	current, err := scales.Scales(namespace).Get(ctx, resource.GroupResource(), "parts", metav1.GetOptions{})
	if err != nil {
		return err
	}
	current.Spec.Replicas = 3
	if current, err = scales.Scales(namespace).Update(ctx, resource.GroupResource(), current, metav1.UpdateOptions{}); err != nil {
		return err
	}
	if current.Spec.Replicas != 3 || current.Status.Replicas != 5 || current.Status.Selector != "app=parts" {
		return fmt.Errorf("scaled to %+v %+v", current.Spec, current.Status)
	}
	current, err = scales.Scales(namespace).Patch(ctx, resource, "parts", types.MergePatchType, []byte(`{"spec":{"replicas":4}}`), metav1.PatchOptions{})
	if err != nil {
		return err
	}
	if current.Spec.Replicas != 4 {
		return fmt.Errorf("patched to a scale of %d", current.Spec.Replicas)
	}
	return nil
}

func checkEviction(ctx context.Context, client kubernetes.Interface, namespace string) error {
	label := map[string]string{"evicted": "yes"}
	pods := client.CoreV1().Pods(namespace)
	pod, err := pods.Create(ctx, examplePod("evicted", label), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if err := pods.Bind(ctx, &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: pod.Name}, Target: corev1.ObjectReference{Kind: "Node", Name: "n"}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	running, err := json.Marshal(map[string]any{"status": map[string]any{"phase": "Running", "conditions": []any{map[string]any{"type": "Ready", "status": "True"}}}})
	if err != nil {
		return err
	}
	if _, err := pods.Patch(ctx, pod.Name, types.StrategicMergePatchType, running, metav1.PatchOptions{}, "status"); err != nil {
		return err
	}
	budgets := client.PolicyV1().PodDisruptionBudgets(namespace)
	budget, err := budgets.Create(ctx, &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "evicted"},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: label}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	// As the controller of budgets would: before it has, the client is told to try again, and does, for a long while.
	budget.Status = policyv1.PodDisruptionBudgetStatus{ObservedGeneration: budget.Generation, CurrentHealthy: 1, DesiredHealthy: 1, ExpectedPods: 1}
	if budget, err = budgets.UpdateStatus(ctx, budget, metav1.UpdateOptions{}); err != nil {
		return err
	}
	eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: namespace}}
	err = client.PolicyV1().Evictions(namespace).Evict(ctx, eviction)
	if !apierrors.IsTooManyRequests(err) || !apierrors.HasStatusCause(err, policyv1.DisruptionBudgetCause) {
		return fmt.Errorf("an eviction that no budget allows: %w", err)
	}
	budget.Status.DisruptionsAllowed = 1
	if _, err := budgets.UpdateStatus(ctx, budget, metav1.UpdateOptions{}); err != nil {
		return err
	}
	if err := client.PolicyV1().Evictions(namespace).Evict(ctx, eviction); err != nil {
		return err
	}
	ending, err := pods.Get(ctx, pod.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	spent, err := budgets.Get(ctx, budget.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if ending.DeletionTimestamp == nil || spent.Status.DisruptionsAllowed != 0 {
		return fmt.Errorf("evicted: %v, and %d more allowed", ending.DeletionTimestamp, spent.Status.DisruptionsAllowed)
	}
	zero := int64(0)
	if err := pods.Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &zero}); err != nil {
		return err
	}
	return budgets.Delete(ctx, budget.Name, metav1.DeleteOptions{})
}
