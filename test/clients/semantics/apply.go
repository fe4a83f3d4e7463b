package main

import (
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// applyCase is the story of one object: who applies or updates it with what.
type applyCase struct {
	Kind  kind   `json:"kind"`
	Steps []step `json:"steps"`
}

type step struct {
	Manager     string          `json:"manager"`
	Operation   string          `json:"operation"`
	Force       bool            `json:"force"`
	Subresource string          `json:"subresource,omitempty"`
	Object      json.RawMessage `json:"object"`
}

// stepAnswer is the object after the step, or why there was none.
type stepAnswer struct {
	Object json.RawMessage `json:"object,omitempty"`
	Error  string          `json:"error,omitempty"`
	Causes []string        `json:"causes,omitempty"`
}

// plain is a world with one version of everything and no defaults: what is left is the merging.
type plain struct {
	gvk schema.GroupVersionKind
	// Typed objects have an empty spec where they have one.
	hasSpec bool
}

func (plain) Convert(in, out, context any) error { return fmt.Errorf("not needed") }
func (plain) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}
func (plain) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}
func (plain) Default(runtime.Object) {}
func (p plain) New(schema.GroupVersionKind) (runtime.Object, error) {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(p.gvk)
	object.Object["metadata"] = map[string]any{}
	if p.hasSpec {
		object.Object["spec"] = map[string]any{}
	}
	return object, nil
}

func managerOf(world plain, subresource string) (*managedfields.FieldManager, error) {
	gvk := world.gvk
	converter := applyconfigurations.NewTypeConverter(scheme.Scheme)
	reset := fieldpath.NewSet(fieldpath.MakePathOrDie("status"))
	if subresource == "status" {
		reset = fieldpath.NewSet(fieldpath.MakePathOrDie("spec"), fieldpath.MakePathOrDie("metadata"))
	}
	filter := map[fieldpath.APIVersion]fieldpath.Filter{
		fieldpath.APIVersion(gvk.GroupVersion().String()): fieldpath.NewExcludeSetFilter(reset),
	}
	return managedfields.NewDefaultFieldManager(converter, world, world, world, gvk, gvk.GroupVersion(), subresource, filter)
}

func play(one applyCase) []stepAnswer {
	gvk := one.Kind.gvk()
	var live runtime.Object
	var found []stepAnswer
	for _, step := range one.Steps {
		object := &unstructured.Unstructured{}
		if err := json.Unmarshal(step.Object, &object.Object); err != nil {
			fail(err)
		}
		world := plain{gvk: gvk, hasSpec: hasSpec(object) || live != nil && hasSpec(live.(*unstructured.Unstructured))}
		manager, err := managerOf(world, step.Subresource)
		if err != nil {
			fail(err)
		}
		before := live
		if before == nil {
			before, _ = world.New(gvk)
		}
		// One with an id is there already.
		if live != nil {
			before.(*unstructured.Unstructured).SetUID("u")
		}
		after, err := write(manager, before.DeepCopyObject(), object, step)
		if err != nil {
			found = append(found, refusal(err))
			continue
		}
		after.(*unstructured.Unstructured).SetUID("")
		text, err := json.Marshal(after)
		if err != nil {
			fail(err)
		}
		live = after
		found = append(found, stepAnswer{Object: text})
	}
	return found
}

func hasSpec(object *unstructured.Unstructured) bool {
	_, found := object.Object["spec"].(map[string]any)
	return found
}

func write(manager *managedfields.FieldManager, live runtime.Object, object *unstructured.Unstructured, step step) (runtime.Object, error) {
	if step.Operation == "Apply" {
		return manager.Apply(live, object, step.Manager, step.Force)
	}
	return manager.Update(live, object, step.Manager)
}

func refusal(err error) stepAnswer {
	var status apierrors.APIStatus
	answer := stepAnswer{Error: err.Error()}
	if errors.As(err, &status) && status.Status().Details != nil {
		for _, cause := range status.Status().Details.Causes {
			answer.Causes = append(answer.Causes, cause.Message+" "+cause.Field)
		}
	}
	return answer
}
