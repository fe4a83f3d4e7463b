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
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
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

// watch runs watchers of four kinds over a store that only writes down what it is told, and a shared informer as programs
// use it: what the watchers say is compared word for word, what the informer holds at the end.
func watch(ctx context.Context, config *rest.Config, namespace string, watchers int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := &journal{encoder: json.NewEncoder(os.Stdout)}
	for number := range watchers {
		to := &recorder{watcher: number, out: out}
		var err error
		switch number % 4 {
		case 0:
			err = watchTyped(ctx, unlimited(config), namespace, to)
		case 1:
			err = watchDynamic(ctx, unlimited(config), namespace, to)
		case 2:
			err = watchMetadata(ctx, unlimited(config), namespace, to)
		default:
			err = watchRetried(ctx, unlimited(config), namespace, to)
		}
		if err != nil {
			return err
		}
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

func watchTyped(ctx context.Context, config *rest.Config, namespace string, to *recorder) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	source := cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "configmaps", namespace, fields.Everything())
	go cache.NewReflector(source, &corev1.ConfigMap{}, to, 0).RunWithContext(ctx)
	return nil
}

func watchDynamic(ctx context.Context, config *rest.Config, namespace string, to *recorder) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	resource := client.Resource(configMaps).Namespace(namespace)
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return resource.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (kwatch.Interface, error) {
			return resource.Watch(ctx, options)
		},
	}
	expected := &unstructured.Unstructured{}
	expected.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	go cache.NewReflector(source, expected, to, 0).RunWithContext(ctx)
	return nil
}

func watchMetadata(ctx context.Context, config *rest.Config, namespace string, to *recorder) error {
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	resource := client.Resource(configMaps).Namespace(namespace)
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return resource.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (kwatch.Interface, error) {
			return resource.Watch(ctx, options)
		},
	}
	go cache.NewReflector(source, &metav1.PartialObjectMetadata{}, to, 0).RunWithContext(ctx)
	return nil
}

// watchRetried follows a RetryWatcher, which resumes by itself and knows bookmarks; it lists where that cannot go on.
func watchRetried(ctx context.Context, config *rest.Config, namespace string, to *recorder) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	maps := client.CoreV1().ConfigMaps(namespace)
	source := &cache.ListWatch{WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (kwatch.Interface, error) {
		return maps.Watch(ctx, options)
	}}
	go func() {
		for ctx.Err() == nil {
			list, err := maps.List(ctx, metav1.ListOptions{})
			if err != nil {
				time.Sleep(50 * time.Millisecond)
				continue
			}
			items := make([]any, len(list.Items))
			for at := range list.Items {
				items[at] = &list.Items[at]
			}
			if err := to.Replace(items, list.ResourceVersion); err != nil {
				fail(err)
			}
			watcher, err := watchtools.NewRetryWatcherWithContext(ctx, list.ResourceVersion, source)
			if err != nil {
				fail(err)
			}
			for event := range watcher.ResultChan() {
				if err := to.event(event); err != nil {
					fail(err)
				}
			}
		}
	}()
	return nil
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

// event writes what a watch has told; an error is the watch's last word.
func (r *recorder) event(event kwatch.Event) error {
	switch event.Type {
	case kwatch.Added:
		return r.Add(event.Object)
	case kwatch.Modified:
		return r.Update(event.Object)
	case kwatch.Deleted:
		return r.Delete(event.Object)
	default:
		return nil
	}
}

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
