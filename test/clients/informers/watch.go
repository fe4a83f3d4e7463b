package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

var configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

// line is one thing that one watcher saw. A replacement has the whole state at a version; others have one object.
type line struct {
	Watcher int               `json:"watcher"`
	Type    string            `json:"type"`
	Version string            `json:"version"`
	Name    string            `json:"name,omitempty"`
	Items   map[string]string `json:"items,omitempty"`
}

type journal struct {
	mutex   sync.Mutex
	encoder *json.Encoder
}

func (j *journal) write(entry line) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if err := j.encoder.Encode(entry); err != nil {
		fail(err)
	}
}

func ownDial() func(context.Context, string, string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, address)
	}
}

// watch runs reflectors over a store that only writes down what it is told, and two shared informers as programs use
// them: what the reflectors say is compared word for word, what the informers hold at the end.
func watch(ctx context.Context, config *rest.Config, namespace string, watchers int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := &journal{encoder: json.NewEncoder(os.Stdout)}
	for number := range watchers {
		var source cache.ListerWatcher
		var expected any
		if number%2 == 0 {
			client, err := kubernetes.NewForConfig(unlimited(config))
			if err != nil {
				return err
			}
			source = cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "configmaps", namespace, fields.Everything())
			expected = &corev1.ConfigMap{}
		} else {
			client, err := dynamic.NewForConfig(unlimited(config))
			if err != nil {
				return err
			}
			source = dynamicSource(client, namespace)
			example := &unstructured.Unstructured{}
			example.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
			expected = example
		}
		reflector := cache.NewReflector(source, expected, &recorder{watcher: number, out: out}, 0)
		go reflector.RunWithContext(ctx)
	}
	client, err := kubernetes.NewForConfig(unlimited(config))
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace))
	informer := factory.Core().V1().ConfigMaps().Informer()
	factory.Start(ctx.Done())
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	out.write(line{Watcher: -1, Type: "informer", Items: versionsOf(informer.GetStore().List())})
	return nil
}

func dynamicSource(client dynamic.Interface, namespace string) cache.ListerWatcher {
	resource := client.Resource(configMaps).Namespace(namespace)
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return resource.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (kwatch.Interface, error) {
			return resource.Watch(ctx, options)
		},
	}
}

// recorder is a cache.ReflectorStore that keeps nothing.
type recorder struct {
	watcher int
	out     *journal
}

func (r *recorder) Add(object any) error    { return r.one("add", object) }
func (r *recorder) Update(object any) error { return r.one("update", object) }
func (r *recorder) Delete(object any) error { return r.one("delete", object) }
func (r *recorder) Resync() error           { return nil }

func (r *recorder) Replace(items []any, version string) error {
	r.out.write(line{Watcher: r.watcher, Type: "replace", Version: version, Items: versionsOf(items)})
	return nil
}

func (r *recorder) one(kind string, object any) error {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	r.out.write(line{Watcher: r.watcher, Type: kind, Name: accessor.GetName(), Version: accessor.GetResourceVersion()})
	return nil
}

func versionsOf(items []any) map[string]string {
	versions := map[string]string{}
	for _, item := range items {
		if accessor, err := meta.Accessor(item); err == nil {
			versions[accessor.GetName()] = accessor.GetResourceVersion()
		}
	}
	return versions
}
