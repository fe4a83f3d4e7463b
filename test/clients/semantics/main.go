// What Kubernetes' own libraries make of merges, applies, quantities and selectors: reads cases, writes them with the answers.
//
//	semantics < cases.json > answers.json
//
// The cases come from test/api/core/oracle; the answers are kept beside the tests that compare Podium's with them.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// cases is the file, and answers has the same lists in the same order.
type cases struct {
	Merges         []mergeCase         `json:"merges"`
	Patches        []patchCase         `json:"patches"`
	Applies        []applyCase         `json:"applies"`
	Quantities     []string            `json:"quantities"`
	Labels         []map[string]string `json:"labels"`
	LabelSelectors []string            `json:"labelSelectors"`
	FieldSelectors []string            `json:"fieldSelectors"`
}

type answers struct {
	Merges         []mergeAnswer    `json:"merges"`
	Patches        []patchAnswer    `json:"patches"`
	Applies        [][]stepAnswer   `json:"applies"`
	Quantities     []quantityAnswer `json:"quantities"`
	LabelSelectors []selectorAnswer `json:"labelSelectors"`
	FieldSelectors []selectorAnswer `json:"fieldSelectors"`
}

func main() {
	var in cases
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		fail(err)
	}
	var out answers
	for _, one := range in.Merges {
		out.Merges = append(out.Merges, merge(one))
	}
	for _, one := range in.Patches {
		out.Patches = append(out.Patches, patch(one))
	}
	for _, one := range in.Applies {
		out.Applies = append(out.Applies, play(one))
	}
	out.Quantities = quantities(in.Quantities)
	for _, text := range in.LabelSelectors {
		out.LabelSelectors = append(out.LabelSelectors, labelSelector(text, in.Labels))
	}
	for _, text := range in.FieldSelectors {
		out.FieldSelectors = append(out.FieldSelectors, fieldSelector(text))
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(out); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "semantics:", err)
	os.Exit(1)
}
