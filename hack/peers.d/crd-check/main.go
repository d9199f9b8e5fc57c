// Command crd-check looks at custom resources as an API server does that has their definitions: by the schema, and for fields
// that it does not have. A rule of Prometheus is read by Prometheus' own parser too, since the schema takes any text for one.
//
// Usage: crd-check DEFINITION... < MANIFESTS. The definitions are CustomResourceDefinitions; hack/peers has those that
// deploy/ needs beside this program, in crd-check.d. Prints kind and name of each object that one of them is for. Exit status
// 1 if one of these is not valid.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
)

type definition struct {
	Spec struct {
		Group string
		Names struct{ Kind string }

		Versions []struct {
			Name   string
			Served bool
			Schema struct{ OpenAPIV3Schema spec.Schema }
		}
	}
}

func main() {
	schemas := map[string]*spec.Schema{}
	for _, path := range os.Args[1:] {
		if err := define(schemas, path); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			os.Exit(2)
		}
	}
	if len(schemas) == 0 {
		fmt.Fprintln(os.Stderr, "usage: crd-check DEFINITION... < MANIFESTS")
		os.Exit(2)
	}
	objects, err := documents(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	faults := 0
	for _, object := range objects {
		of := fmt.Sprintf("%v %v", object["apiVersion"], object["kind"])
		schema, known := schemas[of]
		if !known {
			continue
		}
		metadata, _ := object["metadata"].(map[string]any)
		name := fmt.Sprintf("%v %v", object["kind"], metadata["name"])
		fmt.Println(name)
		for _, fault := range check(schema, object) {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, fault)
			faults++
		}
	}
	if faults > 0 {
		os.Exit(1)
	}
}

func define(schemas map[string]*spec.Schema, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	found, err := documents(file)
	if err != nil {
		return err
	}
	for _, document := range found {
		text, err := json.Marshal(document)
		if err != nil {
			return err
		}
		var crd definition
		if err := json.Unmarshal(text, &crd); err != nil {
			return err
		}
		for _, version := range crd.Spec.Versions {
			if version.Served {
				schema := version.Schema.OpenAPIV3Schema
				schemas[fmt.Sprintf("%s/%s %s", crd.Spec.Group, version.Name, crd.Spec.Names.Kind)] = &schema
			}
		}
	}
	return nil
}

// documents reads YAML, and gives what JSON would have given for it.
func documents(from io.Reader) ([]map[string]any, error) {
	text, err := io.ReadAll(from)
	if err != nil {
		return nil, err
	}
	var all []map[string]any
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var document map[string]any
		switch err := decoder.Decode(&document); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		case document == nil:
			continue
		}
		asJSON, err := json.Marshal(document)
		if err != nil {
			return nil, err
		}
		var plain map[string]any
		if err := json.Unmarshal(asJSON, &plain); err != nil {
			return nil, err
		}
		all = append(all, plain)
	}
}

func check(schema *spec.Schema, object map[string]any) []error {
	// Every object has them, whatever its schema says.
	rest := map[string]any{}
	for key, value := range object {
		if key != "apiVersion" && key != "kind" && key != "metadata" {
			rest[key] = value
		}
	}
	faults := unknown(schema, rest, "")
	whole := validate.NewSchemaValidator(schema, nil, "", strfmt.Default).Validate(object)
	faults = append(faults, whole.Errors...)
	return append(faults, expressions(rest)...)
}

// unknown finds fields that no schema has. A server drops them, and kubectl refuses the manifest for them.
func unknown(schema *spec.Schema, value any, path string) []error {
	if open, _ := schema.Extensions.GetBool("x-kubernetes-preserve-unknown-fields"); open {
		return nil
	}
	var faults []error
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			at := path + "." + key
			if property, found := schema.Properties[key]; found {
				faults = append(faults, unknown(&property, inner, at)...)
			} else if more := schema.AdditionalProperties; more != nil && more.Schema != nil {
				faults = append(faults, unknown(more.Schema, inner, at)...)
			} else if more == nil || !more.Allows {
				faults = append(faults, fmt.Errorf("%s: no such field", at))
			}
		}
	case []any:
		if schema.Items == nil || schema.Items.Schema == nil {
			return nil
		}
		for i, inner := range value {
			faults = append(faults, unknown(schema.Items.Schema, inner, fmt.Sprintf("%s[%d]", path, i))...)
		}
	}
	return faults
}

// expressions parses what is called expr.
func expressions(value any) []error {
	var faults []error
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			if text, is := inner.(string); is && key == "expr" {
				if _, err := parser.NewParser(parser.Options{}).ParseExpr(text); err != nil {
					faults = append(faults, fmt.Errorf("%s: %w", text, err))
				}
				continue
			}
			faults = append(faults, expressions(inner)...)
		}
	case []any:
		for _, inner := range value {
			faults = append(faults, expressions(inner)...)
		}
	}
	return faults
}
