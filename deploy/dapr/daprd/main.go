// Command daprd is Dapr's own sidecar plus the SQLite name resolver.
//
// Dapr registers that resolver only under the build tag allcomponents, which needs modules that this build leaves out.
// With multicast DNS, its other resolver for a single host, two stacks on one machine would find each other's apps.
package main

import (
	"github.com/dapr/components-contrib/nameresolution/sqlite"
	"github.com/dapr/dapr/cmd/daprd/app"
	"github.com/dapr/dapr/pkg/components/nameresolution"
)

func main() {
	nameresolution.DefaultRegistry.RegisterComponent(sqlite.NewResolver, "sqlite")
	app.Run()
}
