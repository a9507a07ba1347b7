package plan_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/firnlake/firn/compactor/plan"
)

func TestSortPolicyIsTakenApart(t *testing.T) {
	term := func(c string) plan.OrderTerm { return plan.OrderTerm{Column: c} }
	for text, want := range map[string]plan.Order{
		"":                                   {},
		"none":                               {},
		"a":                                  {Terms: []plan.OrderTerm{term("a")}},
		"a, b":                               {Terms: []plan.OrderTerm{term("a"), term("b")}},
		"a desc":                             {Terms: []plan.OrderTerm{{Column: "a", Desc: true, NullsLast: true}}},
		"a DESC NULLS FIRST":                 {Terms: []plan.OrderTerm{{Column: "a", Desc: true}}},
		"a ASC nulls last":                   {Terms: []plan.OrderTerm{{Column: "a", NullsLast: true}}},
		`"a, ""b"" (c)" DESC, day(ts)`:       {Terms: []plan.OrderTerm{{Column: `a, "b" (c)`, Desc: true, NullsLast: true}, {Column: "ts", Transform: "day"}}},
		"truncate(name, 10) ASC NULLS FIRST": {Terms: []plan.OrderTerm{{Column: "name", Transform: "truncate", Width: 10}}},
		"zorder(a, b)":                       {Curve: plan.ZOrder, Columns: []string{"a", "b"}},
		`HILBERT("a, b",c ,d)`:               {Curve: plan.Hilbert, Columns: []string{"a, b", "c", "d"}},
		"ünïcode, a.b":                       {Terms: []plan.OrderTerm{term("ünïcode"), term("a.b")}},
	} {
		got, err := plan.ParseOrder(plan.SplitSort(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v", text, got, err)
			continue
		}
		for _, x := range got.Terms { // and is spelled so that it can be read again
			again, err := plan.ParseOrder(plan.SplitSort(x.String()))
			if err != nil || !reflect.DeepEqual(again.Terms, []plan.OrderTerm{x}) {
				t.Errorf("%q as %q: %+v, %v", text, x, again, err)
			}
		}
	}
	for _, bad := range []string{
		"a sideways", "a DESC DESC", "a NULLS", "a NULLS MIDDLE", "(a)", "zorder(a)", "zorder(a, a)", "zorder(a,b,c,d,e)", "zorder(a, b) DESC",
		"zorder(a, b), c", "a, hilbert(a, b)", "bucket(a, 4)", "truncate(a)", "truncate(a, 0)", "truncate(a, x)", "day(a, b)", "day(a", `"a`, "day()", "a b c", "none, a DESC x",
	} {
		if got, err := plan.ParseOrder(plan.SplitSort(bad)); err == nil || !strings.Contains(err.Error(), "sort term") {
			t.Errorf("%q: %+v, %v", bad, got, err)
		}
	}
}

func TestSortPolicyIsCheckedWhenItIsRead(t *testing.T) {
	p, err := plan.PolicyOf(plan.DefaultPolicy(), map[string]string{plan.PropertySort: "zorder(a, b)"})
	if err != nil || len(p.Sort) != 1 {
		t.Fatalf("%q, %v", p.Sort, err)
	}
	if p, err = plan.PolicyOf(p, map[string]string{plan.PropertySort: "none"}); err != nil || p.Sort != nil {
		t.Fatalf("%q, %v", p.Sort, err)
	}
	if _, err = plan.PolicyOf(p, map[string]string{plan.PropertySort: "zorder(a)"}); err == nil || !strings.Contains(err.Error(), plan.PropertySort) {
		t.Fatal(err)
	}
}
