// Command cdi-specs looks at a folder of CDI specs as container runtimes do: with the library of the CDI project, whose own
// commands are modules without versions and cannot be installed by one.
//
// Usage: cdi-specs FOLDER. Prints the names of the devices that can be used, one a line. Exit status 1 if the library finds
// fault with a spec, or with two of them together.
package main

import (
	"fmt"
	"os"

	"tags.cncf.io/container-device-interface/pkg/cdi"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: cdi-specs FOLDER")
		os.Exit(2)
	}
	cache, err := cdi.NewCache(cdi.WithSpecDirs(os.Args[1]), cdi.WithAutoRefresh(false))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = cache.Refresh() // Its errors are those of the specs.
	for _, device := range cache.ListDevices() {
		fmt.Println(device)
	}
	faults := cache.GetErrors()
	for path, errs := range faults {
		fmt.Fprintf(os.Stderr, "%s: %v\n", path, errs)
	}
	if len(faults) > 0 {
		os.Exit(1)
	}
}
