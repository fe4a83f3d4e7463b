package main

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
)

type kind struct {
	Group   string `json:"group"`
	Version string `json:"version"`
	Kind    string `json:"kind"`
}

func (k kind) gvk() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: k.Group, Version: k.Version, Kind: k.Kind}
}

func (k kind) meta() (strategicpatch.PatchMetaFromStruct, error) {
	object, err := scheme.Scheme.New(k.gvk())
	if err != nil {
		return strategicpatch.PatchMetaFromStruct{}, err
	}
	return strategicpatch.NewPatchMetaFromStruct(object)
}

// mergeCase is what kubectl apply meets.
type mergeCase struct {
	Kind     kind            `json:"kind"`
	Original json.RawMessage `json:"original"`
	Modified json.RawMessage `json:"modified"`
	Current  json.RawMessage `json:"current"`
}

type mergeAnswer struct {
	Patch  json.RawMessage `json:"patch,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

func merge(one mergeCase) mergeAnswer {
	meta, err := one.Kind.meta()
	if err != nil {
		return mergeAnswer{Error: err.Error()}
	}
	made, err := strategicpatch.CreateThreeWayMergePatch(one.Original, one.Modified, one.Current, meta, true)
	if err != nil {
		return mergeAnswer{Error: err.Error()}
	}
	result, err := strategicpatch.StrategicMergePatchUsingLookupPatchMeta(one.Current, made, meta)
	if err != nil {
		return mergeAnswer{Patch: made, Error: err.Error()}
	}
	return mergeAnswer{Patch: made, Result: result}
}

// patchCase is a strategic merge patch as it comes.
type patchCase struct {
	Kind   kind            `json:"kind"`
	Object json.RawMessage `json:"object"`
	Patch  json.RawMessage `json:"patch"`
}

type patchAnswer struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

func patch(one patchCase) patchAnswer {
	meta, err := one.Kind.meta()
	if err != nil {
		return patchAnswer{Error: err.Error()}
	}
	result, err := strategicpatch.StrategicMergePatchUsingLookupPatchMeta(one.Object, one.Patch, meta)
	if err != nil {
		return patchAnswer{Error: err.Error()}
	}
	return patchAnswer{Result: result}
}
