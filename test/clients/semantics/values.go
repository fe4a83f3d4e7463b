package main

import (
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
)

type quantityAnswer struct {
	Error string `json:"error,omitempty"`
	// As text again after the value was taken anew, so that nothing of what was written is remembered.
	Text string `json:"text,omitempty"`
	// As it is stored: what was written may be remembered.
	Stored string `json:"stored,omitempty"`
	Milli  int64  `json:"milli"`
	Units  int64  `json:"units"`
	// With the quantity before it: -1, 0, 1, and the sum.
	Compared int    `json:"compared"`
	Sum      string `json:"sum,omitempty"`
}

func quantities(texts []string) []quantityAnswer {
	var found []quantityAnswer
	before := resource.MustParse("0")
	for _, text := range texts {
		quantity, err := resource.ParseQuantity(text)
		if err != nil {
			found = append(found, quantityAnswer{Error: err.Error()})
			continue
		}
		sum := quantity.DeepCopy()
		sum.Add(before)
		var stored resource.Quantity
		if err := stored.UnmarshalJSON([]byte(`"` + text + `"`)); err != nil {
			fail(err)
		}
		storedText, err := stored.MarshalJSON()
		if err != nil {
			fail(err)
		}
		canonical := quantity.DeepCopy()
		canonical.Add(resource.Quantity{})
		found = append(found, quantityAnswer{
			Text:     canonical.String(),
			Stored:   string(storedText),
			Milli:    quantity.MilliValue(),
			Units:    quantity.Value(),
			Compared: quantity.Cmp(before),
			Sum:      sum.String(),
		})
		before = quantity
	}
	return found
}

type selectorAnswer struct {
	Error   string `json:"error,omitempty"`
	Text    string `json:"text,omitempty"`
	Matches []bool `json:"matches,omitempty"`
	// Of a field selector: what it asks for.
	Requirements [][3]string `json:"requirements,omitempty"`
}

func labelSelector(text string, sets []map[string]string) selectorAnswer {
	selector, err := labels.Parse(text)
	if err != nil {
		return selectorAnswer{Error: err.Error()}
	}
	answer := selectorAnswer{Text: selector.String()}
	for _, set := range sets {
		answer.Matches = append(answer.Matches, selector.Matches(labels.Set(set)))
	}
	return answer
}

func fieldSelector(text string) selectorAnswer {
	selector, err := fields.ParseSelector(text)
	if err != nil {
		return selectorAnswer{Error: err.Error()}
	}
	answer := selectorAnswer{Text: selector.String()}
	for _, one := range selector.Requirements() {
		answer.Requirements = append(answer.Requirements, [3]string{one.Field, string(one.Operator), one.Value})
	}
	return answer
}
