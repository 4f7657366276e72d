// Whether docker compose would take a file, with every profile: by the library that docker compose itself is made of.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	options, err := cli.NewProjectOptions([]string{os.Args[1]}, cli.WithProfiles([]string{"*"}), cli.WithInterpolation(true), cli.WithResolvedPaths(true))
	if err == nil {
		var project, e = options.LoadProject(context.Background())
		err = e
		if e == nil {
			fmt.Println("valid:", len(project.Services), "services")
		}
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
