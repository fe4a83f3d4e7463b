// What stock Go clients see of an API server.
//
//	informers watch  --kubeconfig F --namespace N --watchers 20   every watcher's view as lines of JSON, until stdin ends
//	informers check  --kubeconfig F --namespace N                 what programs do with client-go, step by step
//	informers stand  --kubeconfig F --namespace N --identity I    a candidate for the lead; prints its identity when it leads
//
// Whether reflectors begin with a watch-list or a list is client-go's own switch: KUBE_FEATURE_WatchListClient.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("usage: informers watch|check|stand [flags]"))
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "how to reach the API server")
	namespace := flags.String("namespace", "default", "where")
	identity := flags.String("identity", "", "of a candidate")
	watchers := flags.Int("watchers", 10, "how many")
	if err := flags.Parse(os.Args[2:]); err != nil {
		fail(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		fail(err)
	}
	switch os.Args[1] {
	case "watch":
		err = watch(context.Background(), config, *namespace, *watchers)
	case "check":
		err = check(context.Background(), config, *namespace)
	case "stand":
		err = candidate(context.Background(), config, *namespace, *identity)
	default:
		err = fmt.Errorf("no such command: %s", os.Args[1])
	}
	if err != nil {
		fail(err)
	}
}

// unlimited lifts the client's own limit of its rate, and gives it a connection of its own.
func unlimited(config *rest.Config) *rest.Config {
	own := rest.CopyConfig(config)
	own.QPS = -1
	own.Dial = ownDial()
	return own
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "informers:", err)
	os.Exit(1)
}
