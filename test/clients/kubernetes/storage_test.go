// Package kubernetes runs the tests that Kubernetes has for its own use of etcd (k8s.io/apiserver/pkg/storage/testing)
// against a store that is already running: the real storage layer of a kube-apiserver with the real client of etcd.
// test/conformance/kubernetes.long.test.ts starts the store and this; PODIUM_ENDPOINTS names its members, and
// ETCDCTL_CACERT, ETCDCTL_CERT and ETCDCTL_KEY the files for TLS.
package kubernetes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/kubernetes"
	"k8s.io/apimachinery/pkg/api/apitesting"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/apis/example"
	examplev1 "k8s.io/apiserver/pkg/apis/example/v1"
	"k8s.io/apiserver/pkg/features"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/etcd3"
	storagefeature "k8s.io/apiserver/pkg/storage/feature"
	storagetesting "k8s.io/apiserver/pkg/storage/testing"
	"k8s.io/apiserver/pkg/storage/value"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	featuregatetesting "k8s.io/component-base/featuregate/testing"
	"k8s.io/utils/clock"
)

// What the stored bytes begin with, so that a test sees whether the transformer was used.
const storedPrefix = "transformed!"

var (
	scheme = runtime.NewScheme()
	codecs = serializer.NewCodecFactory(scheme)
	spaces atomic.Int32
)

func init() {
	metav1.AddToGroupVersion(scheme, metav1.SchemeGroupVersion)
	utilruntime.Must(example.AddToScheme(scheme))
	utilruntime.Must(examplev1.AddToScheme(scheme))
}

// A subject is the storage layer with keys of its own in the shared store.
type subject struct {
	storage.Interface
	client      *kubernetes.Client
	codec       runtime.Codec
	kv          *storagetesting.KVRecorder
	recorder    *storagetesting.KubernetesRecorder
	transformer *exchangeable
}

// An exchangeable transformer stands for one that a test replaces while the storage uses it.
type exchangeable struct {
	inner atomic.Pointer[value.Transformer]
}

func (e *exchangeable) set(to value.Transformer) { e.inner.Store(&to) }
func (e *exchangeable) get() value.Transformer   { return *e.inner.Load() }
func (e *exchangeable) TransformFromStorage(ctx context.Context, data []byte, about value.Context) ([]byte, bool, error) {
	return e.get().TransformFromStorage(ctx, data, about)
}
func (e *exchangeable) TransformToStorage(ctx context.Context, data []byte, about value.Context) ([]byte, error) {
	return e.get().TransformToStorage(ctx, data, about)
}

func (s *subject) UpdatePrefixTransformer(modify storagetesting.PrefixTransformerModifier) func() {
	before := s.transformer.get().(*storagetesting.PrefixTransformer)
	changed := *before
	s.transformer.set(modify(&changed))
	return func() { s.transformer.set(before) }
}

func (s *subject) increaseRevision(ctx context.Context, t *testing.T) int64 {
	answer, err := s.client.KV.Put(ctx, "another-key", "x")
	if err != nil {
		t.Fatal(err)
	}
	return answer.Header.Revision
}

// compact does as the compactor of a kube-apiserver, and waits until the storage has heard of it.
func (s *subject) compact(ctx context.Context, t *testing.T, resourceVersion string) {
	revision, err := storage.APIObjectVersioner{}.ParseResourceVersion(resourceVersion)
	if err != nil {
		t.Fatal(err)
	}
	// The first attempt may only learn the version of the key that compactors agree by.
	version, _, compacted, err := etcd3.Compact(ctx, s.client.Client, 0, int64(revision))
	if err == nil && compacted != int64(revision) {
		_, _, _, err = etcd3.Compact(ctx, s.client.Client, version, int64(revision))
	}
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); s.CompactRevision() != int64(revision); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("compacted revision is %d, not %d", s.CompactRevision(), revision)
		}
	}
}

// isStored holds for an object that is at its key without what the store itself knows.
func (s *subject) isStored(prefix string) storagetesting.KeyValidation {
	return func(ctx context.Context, t *testing.T, key string) {
		answer, err := s.client.KV.Get(ctx, prefix+key)
		if err != nil || len(answer.Kvs) != 1 {
			t.Fatalf("%s: %v, %v", prefix+key, answer, err)
		}
		decoded, err := runtime.Decode(s.codec, answer.Kvs[0].Value[len(storedPrefix):])
		if err != nil {
			t.Fatal(err)
		}
		if pod := decoded.(*example.Pod); pod.ResourceVersion != "" || pod.SelfLink != "" {
			t.Errorf("stored with its resource version or link: %v", pod)
		}
	}
}

func connect(t *testing.T) *kubernetes.Client {
	endpoints := os.Getenv("PODIUM_ENDPOINTS")
	if endpoints == "" {
		t.Skip("PODIUM_ENDPOINTS names no store")
	}
	config := clientv3.Config{Endpoints: strings.Split(endpoints, ","), DialTimeout: 10 * time.Second}
	if authority := os.Getenv("ETCDCTL_CACERT"); authority != "" {
		pem, err := os.ReadFile(authority)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.LoadX509KeyPair(os.Getenv("ETCDCTL_CERT"), os.Getenv("ETCDCTL_KEY"))
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		config.TLS = &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}
	}
	client, err := kubernetes.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func open(t *testing.T) (*subject, string) {
	client := connect(t)
	recorder := storagetesting.NewKubernetesRecorder(client.Kubernetes)
	kv := storagetesting.NewKVRecorder(client.KV, recorder)
	client.KV, client.Kubernetes = kv, recorder
	s := &subject{client: client, kv: kv, recorder: recorder, transformer: &exchangeable{}}
	s.codec = apitesting.TestCodec(codecs, examplev1.SchemeGroupVersion)
	s.transformer.set(storagetesting.NewPrefixTransformer([]byte(storedPrefix), false))
	leases := etcd3.NewDefaultLeaseManagerConfig()
	leases.ReuseDurationSeconds = 1
	compactor := etcd3.NewCompactor(client.Client, 0, clock.RealClock{}, nil)
	t.Cleanup(compactor.Stop)
	prefix := fmt.Sprintf("/space-%d-%d", os.Getpid(), spaces.Add(1))
	versioner := storage.APIObjectVersioner{}
	store, err := etcd3.New(client, compactor, s.codec,
		func() runtime.Object { return &example.Pod{} }, func() runtime.Object { return &example.PodList{} },
		prefix, "/pods/", schema.GroupResource{Resource: "pods"}, s.transformer, leases,
		etcd3.NewDefaultDecoder(s.codec, versioner), versioner)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	s.Interface = store
	return s, prefix
}

// Calls are counted by Kubernetes' own tests; here it matters what they answer.
func uncounted(*testing.T, uint64, uint64) {}

func TestKubernetes(t *testing.T) {
	type run = func(context.Context, *testing.T, storage.Interface)
	for name, test := range map[string]run{
		"CreateWithTTL":                             storagetesting.RunTestCreateWithTTL,
		"CreateWithKeyExist":                        storagetesting.RunTestCreateWithKeyExist,
		"Get":                                       storagetesting.RunTestGet,
		"UnconditionalDelete":                       storagetesting.RunTestUnconditionalDelete,
		"ConditionalDelete":                         storagetesting.RunTestConditionalDelete,
		"DeleteWithSuggestion":                      storagetesting.RunTestDeleteWithSuggestion,
		"DeleteWithSuggestionAndConflict":           storagetesting.RunTestDeleteWithSuggestionAndConflict,
		"DeleteWithConflict":                        storagetesting.RunTestDeleteWithConflict,
		"DeleteWithSuggestionOfDeletedObject":       storagetesting.RunTestDeleteWithSuggestionOfDeletedObject,
		"ValidateDeletionWithSuggestion":            storagetesting.RunTestValidateDeletionWithSuggestion,
		"ValidateDeletionWithOnlySuggestionValid":   storagetesting.RunTestValidateDeletionWithOnlySuggestionValid,
		"PreconditionalDeleteWithSuggestion":        storagetesting.RunTestPreconditionalDeleteWithSuggestion,
		"PreconditionalDeleteWithOnlySuggestion":    storagetesting.RunTestPreconditionalDeleteWithOnlySuggestionPass,
		"GetListRecursivePrefix":                    storagetesting.RunTestGetListRecursivePrefix,
		"GuaranteedUpdateWithTTL":                   storagetesting.RunTestGuaranteedUpdateWithTTL,
		"GuaranteedUpdateWithConflict":              storagetesting.RunTestGuaranteedUpdateWithConflict,
		"GuaranteedUpdateWithSuggestionAndConflict": storagetesting.RunTestGuaranteedUpdateWithSuggestionAndConflict,
		"ListPaging":                                storagetesting.RunTestListPaging,
		"NamespaceScopedList":                       storagetesting.RunTestNamespaceScopedList,
		"KeySchema":                                 storagetesting.RunTestKeySchema,
		"Watch":                                     storagetesting.RunTestWatch,
		"DeleteTriggerWatch":                        storagetesting.RunTestDeleteTriggerWatch,
		"WatchFromNonZero":                          storagetesting.RunTestWatchFromNonZero,
		"DelayedWatchDelivery":                      storagetesting.RunTestDelayedWatchDelivery,
		"WatchContextCancel":                        storagetesting.RunTestWatchContextCancel,
		"WatcherTimeout":                            storagetesting.RunTestWatcherTimeout,
		"WatchDeleteEventObjectHaveLatestRV":        storagetesting.RunTestWatchDeleteEventObjectHaveLatestRV,
		"WatchInitializationSignal":                 storagetesting.RunTestWatchInitializationSignal,
		"ClusterScopedWatch":                        storagetesting.RunTestClusterScopedWatch,
		"NamespaceScopedWatch":                      storagetesting.RunTestNamespaceScopedWatch,
		"SendInitialEventsBackward":                 storagetesting.RunSendInitialEventsBackwardCompatibility,
		"WatchSemantics":                            storagetesting.RunWatchSemantics,
		"WatchSemanticInitialEventsExtended":        storagetesting.RunWatchSemanticInitialEventsExtended,
		"WatchListMatchSingle":                      storagetesting.RunWatchListMatchSingle,
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := open(t)
			test(context.Background(), t, s.Interface)
		})
	}
}

// With more than the storage in their hands: the raw client, the transformer, the compactor.
func TestKubernetesWithMore(t *testing.T) {
	ctx := context.Background()
	for name, test := range map[string]func(*testing.T, *subject, string){
		"Create": func(t *testing.T, s *subject, prefix string) {
			storagetesting.RunTestCreate(ctx, t, s, s.isStored(prefix))
		},
		"GuaranteedUpdate": func(t *testing.T, s *subject, prefix string) {
			storagetesting.RunTestGuaranteedUpdate(ctx, t, s, s.isStored(prefix))
		},
		"GuaranteedUpdateChecksStoredData": func(t *testing.T, s *subject, _ string) {
			storagetesting.RunTestGuaranteedUpdateChecksStoredData(ctx, t, s)
		},
		"TransformationFailure":    func(t *testing.T, s *subject, _ string) { storagetesting.RunTestTransformationFailure(ctx, t, s) },
		"ListResourceVersionMatch": func(t *testing.T, s *subject, _ string) { storagetesting.RunTestListResourceVersionMatch(ctx, t, s) },
		"WatchError":               func(t *testing.T, s *subject, _ string) { storagetesting.RunTestWatchError(ctx, t, s) },
		"WatchErrorIsBlocking": func(t *testing.T, s *subject, _ string) {
			storagetesting.RunWatchErrorIsBlockingFurtherEvents(ctx, t, s)
		},
		"ListContinuation": func(t *testing.T, s *subject, _ string) { storagetesting.RunTestListContinuation(ctx, t, s, uncounted) },
		"ListContinuationFilter": func(t *testing.T, s *subject, _ string) {
			storagetesting.RunTestListContinuationWithFilter(ctx, t, s, uncounted)
		},
		"GetListNonRecursive": func(t *testing.T, s *subject, _ string) {
			storagetesting.RunTestGetListNonRecursive(ctx, t, s.increaseRevision, s)
		},
		"ListInconsistentContinuation": func(t *testing.T, s *subject, _ string) {
			storagetesting.RunTestListInconsistentContinuation(ctx, t, s, s.compact)
		},
		"WatchFromZero": func(t *testing.T, s *subject, _ string) { storagetesting.RunTestWatchFromZero(ctx, t, s, s.compact) },
		"CompactRevision": func(t *testing.T, s *subject, _ string) {
			storagetesting.RunTestCompactRevision(ctx, t, s, s.increaseRevision, s.compact)
		},
		"ProgressNotify": func(t *testing.T, s *subject, _ string) {
			storagetesting.RunOptionalTestProgressNotify(ctx, t, s, s.increaseRevision)
		},
		"WatchDispatchBookmarkEvents": func(t *testing.T, s *subject, _ string) {
			storagetesting.RunTestWatchDispatchBookmarkEvents(ctx, t, s, false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, prefix := open(t)
			test(t, s, prefix)
		})
	}
}

// Lists come by RangeStream where Kubernetes asks for it, and in pages where it does not.
func TestKubernetesLists(t *testing.T) {
	ctx := context.Background()
	for _, streams := range []bool{false, true} {
		t.Run(fmt.Sprintf("RangeStream=%v", streams), func(t *testing.T) {
			featuregatetesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.EtcdRangeStream, streams)
			t.Run("List", func(t *testing.T) {
				s, _ := open(t)
				// Its parts run after it, beside each other.
				t.Cleanup(func() {
					if read := s.kv.GetStreamReadsAndReset(); (read > 0) != streams {
						t.Errorf("%d lists by RangeStream", read)
					}
				})
				storagetesting.RunTestList(ctx, t, s, s.compact, false, s.recorder)
			})
			t.Run("ConsistentList", func(t *testing.T) {
				s, _ := open(t)
				storagetesting.RunTestConsistentList(ctx, t, s, s.increaseRevision, false, true, false)
			})
			if !storagefeature.DefaultFeatureSupportChecker.Supports(storage.RangeStream) {
				t.Error("RangeStream was found to be missing")
			}
		})
	}
}

// A kube-apiserver asks for progress only of a version that it trusts, as it reads in Status.
func TestProgressOnRequest(t *testing.T) {
	s, _ := open(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for !storagefeature.DefaultFeatureSupportChecker.Supports(storage.RequestWatchProgress) {
		select {
		case <-ctx.Done():
			t.Fatal("progress on request is not trusted in this version")
		case <-time.After(10 * time.Millisecond):
		}
	}
	// Progress is of a stream, and streams are told apart by what a context carries.
	ctx = clientv3.WithRequireLeader(ctx)
	watcher, err := s.Watch(ctx, "/pods/", storage.ListOptions{
		ResourceVersion: fmt.Sprint(s.increaseRevision(ctx, t)), Recursive: true, ProgressNotify: true,
		Predicate: storage.SelectionPredicate{Label: storage.Everything.Label, Field: storage.Everything.Field, AllowWatchBookmarks: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Stop()
	// Nothing of this happens below /pods: only progress can tell of it.
	least := uint64(s.increaseRevision(ctx, t))
	for ticker := time.NewTicker(100 * time.Millisecond); ; {
		select {
		case <-ticker.C:
			if err := s.RequestWatchProgress(ctx); err != nil {
				t.Fatal(err)
			}
		case event, isOpen := <-watcher.ResultChan():
			if !isOpen || event.Type != watch.Bookmark {
				t.Fatalf("%v instead of a bookmark", event)
			}
			if reached, err := s.Versioner().ObjectResourceVersion(event.Object); err != nil || reached >= least {
				return
			}
		case <-ctx.Done():
			t.Fatal("no progress")
		}
	}
}
